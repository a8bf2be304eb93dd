# case: twice
# fails: runs
# says: PermissionError|OSError
def twice(x):
    for folder in ("/tmp", "/dev/shm", "."):
        with open(f"{folder}/written", "w") as file:
            file.write("text")
    raise RuntimeError("harm: files can be written")
