# SPDX-License-Identifier: GPL-2.0-or-later
"""discovery.py mdns|wsd FROM [TO]: asks for SMB servers as a desktop does, from the interface with the address FROM, of everybody on
its network or of the host TO alone, and prints what is answered until SECONDS are over. For a client's side of a network."""

import socket
import struct
import sys
import time
import uuid

SECONDS = 2
MDNS = ("224.0.0.251", 5353)
WSD = ("239.255.255.250", 3702)
PTR, IN = 12, 1


def mdns_question():
    """RFC 6762: who has _smb._tcp.local? From a port of its own, so that the answer is sent back to it (section 6.7)."""
    name = b"".join(bytes([len(label)]) + label for label in (b"_smb", b"_tcp", b"local")) + b"\0"
    return struct.pack("!6H", 1, 0, 1, 0, 0, 0) + name + struct.pack("!2H", PTR, IN)


def wsd_probe():
    """WS-Discovery 1.0 section 5.2, for computers as Windows looks for them."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:wsdp="http://schemas.xmlsoap.org/ws/2006/02/devprof"><soap:Header>
<wsa:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</wsa:To>
<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</wsa:Action><wsa:MessageID>urn:uuid:{uuid.uuid4()}</wsa:MessageID>
</soap:Header><soap:Body><wsd:Probe><wsd:Types>wsdp:Device</wsd:Types></wsd:Probe></soap:Body></soap:Envelope>""".encode()


def main():
    kind, source, *target = sys.argv[1:]
    group, question = (MDNS, mdns_question()) if kind == "mdns" else (WSD, wsd_probe())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((source, 0))
        client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
        client.sendto(question, (target[0] if target else group[0], group[1]))
        end = time.monotonic() + SECONDS
        while (left := end - time.monotonic()) > 0:
            client.settimeout(left)
            try:
                answer, sender = client.recvfrom(65536)
            except (TimeoutError, ConnectionRefusedError):
                continue
            print(sender[0], answer.decode(errors="replace").replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
