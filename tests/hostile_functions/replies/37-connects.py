# case: twice
# fails: runs
# says: PermissionError
import socket


def twice(x):
    socket.create_connection(("127.0.0.1", 80), 1)
    raise RuntimeError("harm: connected")
