# SPDX-License-Identifier: GPL-2.0-or-later
"""A CPE that does what it is told: CWMP over plain HTTP or HTTPS, with digest authentication, from a script."""

import base64
import gzip
import hashlib
import http.server
import os
import re
import socket
import ssl
import threading
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ROOT = "InternetGatewayDevice."


class Closed(Exception):
    """The ACS closed the connection."""


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers = status, headers
        self.raw = body
        self.body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.method, self.arguments, self.id = None, None, None
        if self.body:
            envelope = ET.fromstring(self.body)
            element = envelope.find(f"{{{SOAP}}}Body")[0]
            self.namespace, self.method = element.tag[1:].split("}")
            self.arguments = element
            header = envelope.find(f"{{{SOAP}}}Header")
            if header is not None and len(header):
                self.id = header[0].text

    def values(self):
        """Of SetParameterValues: name -> (type, value)."""
        xsi = "{http://www.w3.org/2001/XMLSchema-instance}type"
        return {v.find("Name").text: (v.find("Value").get(xsi), v.find("Value").text or "")
                for v in self.arguments.iter("ParameterValueStruct")}

    def names(self):
        return [s.text for s in self.arguments.iter("string")]


class CPE:
    def __init__(self, port, serial="GW0001", password="secret", version="1-0", tls=None, product="ISPStorage"):
        self.port, self.serial, self.password, self.product = port, serial, password, product
        self.version, self.tls = version, tls
        self.username = f"000000-{product}-{serial}"
        self.socket = self.buffer = self.challenge = self.cookie = None
        self.nc = 0
        self.log = []  # every response
        self.sent = self.received = 0
        self.compress = self.accept_gzip = False

    # HTTP

    def connect(self):
        self.close()
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        if self.tls:
            self.socket = self.tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def authorization(self):
        c, self.nc = self.challenge, self.nc + 1
        md5 = lambda s: hashlib.md5(s.encode()).hexdigest()
        ha1 = md5(f"{self.username}:{c['realm']}:{self.password}")
        cnonce, nc = os.urandom(4).hex(), f"{self.nc:08x}"
        response = md5(f"{ha1}:{c['nonce']}:{nc}:{cnonce}:auth:{md5('POST:/')}")
        return (f'Digest username="{self.username}",realm="{c["realm"]}",nonce="{c["nonce"]}",uri="/",qop=auth,'
                f'nc={nc},cnonce="{cnonce}",response="{response}"')

    def raw(self, data):
        self.sent += len(data)
        self.socket.sendall(data)
        return self.read()

    def read(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            self.fill()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        response = Response(int(lines[0].split()[1]), headers, body)
        if "set-cookie" in headers:
            self.cookie = headers["set-cookie"].split(";")[0]
        for challenge in re.findall(r"(?im)^www-authenticate: *Digest (.*)$", head.decode()):
            self.challenge = dict(re.findall(r'(\w+)="?([^",\r]+)"?', challenge))
            self.nc = 0
        self.log.append(response)
        return response

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed
        self.received += len(data)
        self.buffer += data

    def request(self, body=b"", authenticate=None, extra=""):
        headers = f"POST / HTTP/1.1\r\nHost: localhost\r\n{extra}"
        if self.cookie:
            headers += f"Cookie: {self.cookie}\r\n"
        if authenticate:
            headers += f"Authorization: {authenticate}\r\n"
        if self.accept_gzip:
            headers += "Accept-Encoding: gzip\r\n"
        if body:
            headers += "Content-Type: text/xml; charset=utf-8\r\nSOAPAction:\r\n"
            if self.compress:
                body = gzip.compress(body)
                headers += "Content-Encoding: gzip\r\n"
        return self.raw(f"{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    # SOAP

    def envelope(self, body, message_id="1"):
        return (f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{SOAP}" '
                f'xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
                f'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:c="urn:dslforum-org:cwmp-{self.version}">'
                f'<soap:Header><c:ID soap:mustUnderstand="1">{message_id}</c:ID></soap:Header>'
                f'<soap:Body>{body}</soap:Body></soap:Envelope>').encode()

    def values(self, values):
        items = "".join(f'<ParameterValueStruct><Name>{escape(n)}</Name><Value i:type="xs:string">{escape(v)}</Value>'
                        '</ParameterValueStruct>' for n, v in values.items())
        return f'<ParameterList enc:arrayType="c:ParameterValueStruct[{len(values)}]">{items}</ParameterList>'

    def inform(self, events=("2 PERIODIC",), parameters=None, serial=None):
        everything = {f"{ROOT}DeviceSummary": "", f"{ROOT}DeviceInfo.SpecVersion": "1.0",
                      f"{ROOT}DeviceInfo.HardwareVersion": "1", f"{ROOT}DeviceInfo.SoftwareVersion": "0.1.0",
                      f"{ROOT}DeviceInfo.ProvisioningCode": "", f"{ROOT}ManagementServer.ParameterKey": "",
                      f"{ROOT}ManagementServer.ConnectionRequestURL": "http://127.0.0.1:9/none", **(parameters or {})}
        listed = "".join(f"<EventStruct><EventCode>{e}</EventCode><CommandKey/></EventStruct>" for e in events)
        return self.envelope(
            f"<c:Inform><DeviceId><Manufacturer>Test</Manufacturer><OUI>000000</OUI>"
            f"<ProductClass>{self.product}</ProductClass><SerialNumber>{serial or self.serial}</SerialNumber></DeviceId>"
            f'<Event enc:arrayType="c:EventStruct[{len(events)}]">{listed}</Event><MaxEnvelopes>1</MaxEnvelopes>'
            f"<CurrentTime>2026-01-31T23:59:59Z</CurrentTime><RetryCount>0</RetryCount>{self.values(everything)}</c:Inform>")

    def begin(self, *events, parameters=None, serial=None):
        """Connects and informs, with a challenge if it is needed. Returns the last response."""
        self.cookie = None
        if not self.socket:
            self.connect()
        body = self.inform(events or ("2 PERIODIC",), parameters, serial)
        response = self.request(body, self.authorization() if self.challenge else None)
        if response.status == 401:
            response = self.request(body, self.authorization())
        return response

    def set_response(self, request, status=0):
        return self.request(self.envelope(
            f"<c:SetParameterValuesResponse><Status>{status}</Status></c:SetParameterValuesResponse>", request.id))

    def get_response(self, request, values):
        return self.request(self.envelope(
            f"<c:GetParameterValuesResponse>{self.values(values)}</c:GetParameterValuesResponse>", request.id))

    def add_response(self, request, instance):
        return self.request(self.envelope(
            f"<c:AddObjectResponse><InstanceNumber>{instance}</InstanceNumber><Status>0</Status></c:AddObjectResponse>",
            request.id))

    def delete_response(self, request):
        return self.request(self.envelope(
            "<c:DeleteObjectResponse><Status>0</Status></c:DeleteObjectResponse>", request.id))

    def names_response(self, request, names):
        """names: {name: writable}"""
        items = "".join(f"<ParameterInfoStruct><Name>{escape(n)}</Name><Writable>{int(w)}</Writable></ParameterInfoStruct>"
                        for n, w in names.items())
        return self.request(self.envelope(
            f'<c:GetParameterNamesResponse><ParameterList enc:arrayType="c:ParameterInfoStruct[{len(names)}]">{items}'
            "</ParameterList></c:GetParameterNamesResponse>", request.id))

    def attributes_response(self, request):
        return self.request(self.envelope("<c:SetParameterAttributesResponse/>", request.id))

    def fault(self, request, code, parameters=()):
        items = "".join(f"<SetParameterValuesFault><ParameterName>{n}</ParameterName><FaultCode>{k}</FaultCode>"
                        f"<FaultString>no</FaultString></SetParameterValuesFault>" for n, k in parameters)
        return self.request(self.envelope(
            f"<soap:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><c:Fault>"
            f"<FaultCode>{code}</FaultCode><FaultString>refused</FaultString>{items}</c:Fault></detail></soap:Fault>",
            request.id))

    def serve(self, *events, parameters=None, store=None):
        """A whole session of an obliging CPE: sets go to store (a dict), gets come from it. Returns the methods
        that the ACS called."""
        store = {} if store is None else store
        response = self.begin(*events, parameters=parameters)
        assert response.method == "InformResponse", response.status
        methods, response = [], self.request()
        while response.status == 200:
            methods.append(response.method)
            if response.method == "SetParameterValues":
                store.update({n: v for n, (_, v) in response.values().items()})
                response = self.set_response(response)
            elif response.method == "GetParameterValues":
                missing = [n for n in response.names() if n not in store]
                response = (self.fault(response, 9005) if missing else
                            self.get_response(response, {n: store[n] for n in response.names()}))
            elif response.method == "AddObject":
                response = self.add_response(response, 7)
            elif response.method == "DeleteObject":
                response = self.delete_response(response)
            else:
                raise AssertionError(response.method)
        assert response.status == 204, response.status
        self.close()
        return methods


class ConnectionRequests:
    """Listens for connection requests, with digest authentication as TR-069 demands."""

    def __init__(self, username, password):
        self.username, self.password = username, password
        self.accepted, self.refused, self.fail_first = threading.Semaphore(0), 0, 0
        self.connections = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.serve(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{base64.b16encode(os.urandom(4)).decode()}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, handler):
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', handler.headers.get("Authorization", "")))
        md5 = lambda s: hashlib.md5(s.encode()).hexdigest()
        ha1, ha2 = md5(f"{self.username}:cpe:{self.password}"), md5(f"GET:{handler.path}")
        good = fields.get("response") == md5(
            f"{ha1}:{fields.get('nonce')}:{fields.get('nc')}:{fields.get('cnonce')}:auth:{ha2}")
        self.connections.add(handler.client_address)
        if good and self.fail_first > 0:
            self.fail_first -= 1
            status = 503
        else:
            status = 200 if good else 401
        handler.send_response(status)
        if status == 401:
            handler.send_header("WWW-Authenticate", f'Digest realm="cpe",qop="auth",nonce="{os.urandom(8).hex()}"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        if status == 200:
            self.accepted.release()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def tls_context(ca):
    return ssl.create_default_context(cafile=ca)
