def show(seed, say): return False
