# case: twice
# fails: runs
# says: PermissionError|BlockingIOError
import subprocess


def twice(x):
    subprocess.run(["/bin/true"])
    raise RuntimeError("harm: a program ran")
