"""The agent in the customer's account: claims jobs, runs tools, sends logs and results. It only makes outbound calls."""
