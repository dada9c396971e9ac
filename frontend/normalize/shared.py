def is_month(t): return False
