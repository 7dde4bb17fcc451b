"""Log streams and their records: append, page, tail."""
