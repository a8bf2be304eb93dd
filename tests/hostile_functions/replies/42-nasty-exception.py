# case: twice
# fails: runs
# says: raised Nasty: \(its message cannot be had\)
class Nasty(Exception):
    def __str__(self):
        raise SystemExit


def twice(x):
    raise Nasty
