# SPDX-License-Identifier: GPL-2.0-or-later
"""raw_tcp.py serve ADDRESS PORT FILE | raw_tcp.py client ADDRESS PORT: one TCP connection for a file, one way.

The server keeps the file that was last pushed. The client stays, and does what its standard input says, "push FILE" or "get FILE";
it answers "ok" when the other side has all of it (push) or it has all itself (get)."""

import socket
import sys
import threading

BLOCK = 1 << 20


def receive(connection, path):
    with open(path, "wb") as file:
        while data := connection.recv(BLOCK):
            file.write(data)


def send(connection, path):
    with open(path, "rb") as file:
        connection.sendfile(file)
    connection.shutdown(socket.SHUT_WR)


def serve_one(connection, path):
    with connection:
        if connection.recv(1) == b"P":
            receive(connection, path)
            connection.sendall(b"k")
        else:
            send(connection, path)


def serve(address, path):
    with socket.create_server(address, backlog=64) as listening:
        print("ok", flush=True)
        while True:
            threading.Thread(target=serve_one, args=[listening.accept()[0], path], daemon=True).start()


def client(address):
    for line in sys.stdin:
        verb, path = line.rstrip("\n").split(" ", 1)
        with socket.create_connection(address) as connection:
            if verb == "push":
                connection.sendall(b"P")
                send(connection, path)
                connection.recv(1)
            else:
                connection.sendall(b"G")
                receive(connection, path)
        print("ok", flush=True)


if __name__ == "__main__":
    where = (sys.argv[2], int(sys.argv[3]))
    serve(where, sys.argv[4]) if sys.argv[1] == "serve" else client(where)
