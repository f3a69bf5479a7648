# SPDX-License-Identifier: GPL-2.0-or-later
"""GenieACS as its NBI's documentation and its users describe it, traps included, with scripted devices behind it.

It works towards a wanted state: what a device does not have, or what cannot be written, is left out without a word and with status 200;
a value that the database believes to be there is not sent; a refresh does not read what is younger than a second. A task waits until a
session has done it, and a fault keeps it from that. And it stops (died) at what the real one is stopped by: a connection request to a
device that has never reported its URL, a task of an unknown name, a query that it does not expect."""

import copy
import datetime
import http.server
import json
import re
import threading
import time
import urllib.parse
import uuid

URL = "ManagementServer.ConnectionRequestURL"
BATCH = 32  # parameters of one SetParameterValues (cwmp.gpvBatchSize)
REFRESH_GRACE = 1.0  # seconds: what is younger is not read again


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class CwmpFault(Exception):
    def __init__(self, code, string, parameters=()):
        super().__init__(string)
        self.code, self.string, self.parameters = code, string, parameters


class SessionFailed(Exception):
    """The session broke off."""


class Device:
    """A device: parameters {name: [value, type, writable]}, tables {object: parameters of a new instance, relative to it}."""

    def __init__(self, parameters, tables=(), oui="000000", product_class="ISPStorage", serial_number="GW0001"):
        self.identity = {"_OUI": oui, "_ProductClass": product_class, "_SerialNumber": serial_number, "_Manufacturer": "Test"}
        self.parameters = parameters
        self.tables = {name: dict(row) for name, row in dict(tables).items()}
        self.instances = {name: 0 for name in self.tables}
        self.online = True
        self.hidden = set()      # read as ""
        self.deaf = 0            # that many sets are confirmed, and nothing is done
        self.failures = []       # what the next requests raise
        self.requests = []       # (method, argument) that arrived
        self.on_set = lambda values: None

    def request(self, method, argument):
        self.requests.append((method, argument))
        if self.failures:
            raise self.failures.pop(0)

    def has(self, path):
        return path in self.parameters or path + "." in self.tables or any(n.startswith(path + ".") for n in self.parameters)

    def get(self, names):
        self.request("get", names)
        return {n: ("" if n in self.hidden else self.parameters[n][0]) for n in names}

    def set(self, values):
        self.request("set", values)
        if self.deaf:
            self.deaf -= 1
            return False
        for name, value in values.items():
            self.parameters[name][0] = value
        self.on_set(values)
        return True

    def add(self, table):
        self.request("add", table)
        self.instances[table] += 1
        number = self.instances[table]
        for name, (value, kind) in self.tables[table].items():
            if name.endswith("."):
                self.tables[f"{table}{number}.{name}"] = value
                self.instances[f"{table}{number}.{name}"] = 0
            else:
                self.parameters[f"{table}{number}.{name}"] = [value, kind, True]

    def delete(self, instance):
        self.request("delete", instance)
        self.parameters = {n: p for n, p in self.parameters.items() if not n.startswith(instance)}
        self.tables = {n: t for n, t in self.tables.items() if not n.startswith(instance)}


class GenieAcs:
    """Listens on loopback. provision(device, document, events, session, channels) runs at the end of each session, as presets do, but
    those of the channels; it returns {channel: why it failed}. A channel that failed is left out until its fault is deleted."""

    def __init__(self, provision=None):
        self.provision = provision or (lambda *_: {})
        self.devices, self.documents, self.tasks, self.faults = {}, {}, [], {}
        self.lock, self.locks = threading.RLock(), {}
        self.died = None
        self.requests = []       # (method, path) of all that was asked
        self.script = []         # functions (method, path) -> status, or "drop", or None: what the next requests meet instead
        self.after = []          # the same, when the request has had its effect
        self.last_session = 0.0
        self.ahead = 0.0         # seconds by which its clock is
        self.gate = threading.Event()  # while it is not set, nobody who is asked for a session answers
        self.gate.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                outer.handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # who asked may have gone, or been killed
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def die(self, why):
        with self.lock:
            self.died = self.died or why
        raise ConnectionAbortedError(why)

    # HTTP

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        split = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True))
        with self.lock:
            self.requests.append((handler.command, handler.path))
            trap = self.script.pop(0) if self.script else None
        try:
            if self.died or len(handler.path) > 15000:
                self.die("a request's head is too large")
            if trap is None:
                status, reason, answer = self.answer(handler.command, split.path, query, body)
                with self.lock:
                    trap = self.after.pop(0) if self.after and handler.command == "POST" else None
            if trap == "drop":
                raise ConnectionAbortedError
            if trap:
                status, reason, answer = trap, "scripted", b"Error: scripted"
        except ConnectionAbortedError:
            handler.close_connection = True
            return
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        handler.send_response(status, reason)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def answer(self, method, path, query, body):
        if method == "GET" and (match := re.fullmatch(r"/(devices|tasks|faults)/?", path)):
            return 200, "OK", self.find(match[1], json.loads(query["query"]), query.get("projection"))[:int(query.get("limit", 1 << 31))]
        if method == "POST" and (match := re.fullmatch(r"/devices/([a-zA-Z0-9\-_%]+)/tasks/?", path)):
            return self.post(urllib.parse.unquote(match[1]), query, body)
        if method == "DELETE" and (match := re.fullmatch(r"/faults/([a-zA-Z0-9\-_%:]+)", path)):
            with self.lock:
                self.faults.pop(urllib.parse.unquote(match[1]), None)
            return 200, "OK", b""
        if method == "DELETE" and (match := re.fullmatch(r"/tasks/([a-zA-Z0-9\-_%]+)", path)):
            with self.lock:
                for task in self.tasks:
                    if task["_id"] == match[1]:
                        self.tasks.remove(task)
                        self.faults.pop(f"{task['device']}:task_{match[1]}", None)
                        return 200, "OK", b""
            return 404, "Not Found", b"Task not found"
        return self.die(f"{method} {path} is not in its documentation")

    def find(self, collection, query, projection):
        with self.lock:
            if collection == "devices" and set(query) == {"_id"}:
                found = [self.documents[query["_id"]]] if query["_id"] in self.documents else []
                return [project(one, projection.split(","), self.die) for one in found]
            if collection == "tasks" and set(query) == {"device"}:
                return [{"_id": task["_id"], **({"uniqueKey": task["uniqueKey"]} if "uniqueKey" in task else {})}
                        for task in self.tasks if task["device"] == query["device"]]
            if collection == "faults" and set(query) == {"channel"}:
                return [{"_id": i} for i, fault in self.faults.items() if fault["channel"] == query["channel"]]
            if collection == "faults" and set(query) == {"device"}:
                return [copy.deepcopy(fault) for fault in self.faults.values() if fault["device"] == query["device"]]
        return self.die(f"query of {collection}: {query}")

    def post(self, device, query, body):
        if device not in self.documents:
            return 404, "Not Found", b"No such device"
        asked = "connection_request" in query
        task = json.loads(body) if body else None
        if task:
            check_task(task, self.die)
            with self.lock:
                self.tasks = [t for t in self.tasks if (t["device"], t.get("uniqueKey", t["_id"])) != (device, task.get("uniqueKey"))]
                task = {**task, "_id": uuid.uuid4().hex[:24], "device": device, "timestamp": iso(time.time())}
                self.tasks.append(task)
        elif not asked:
            return 400, "Bad Request", b""
        if not asked:
            return 202, "Accepted", task
        if not value_of(self.documents[device], "InternetGatewayDevice." + URL) and not value_of(self.documents[device], "Device." + URL):
            self.die("connection request to a device that has never reported its URL")
        if not task:
            self.gate.wait()
        if not self.devices[device].online:
            return (202, "Device is offline", task) if task else (504, "Device is offline", b"Device is offline")
        if not task:
            threading.Thread(target=self.session, args=[device, ["6 CONNECTION REQUEST"]], daemon=True).start()
            return 200, "OK", b""
        self.session(device, ["6 CONNECTION REQUEST"])
        with self.lock:
            if f"{device}:task_{task['_id']}" in self.faults:
                return 202, "Task faulted", task
            return (202, "Task queued but not processed", task) if task in self.tasks else (200, "OK", task)

    # sessions

    def add(self, device):
        identity = device.identity
        parts = [identity["_OUI"], identity["_ProductClass"], identity["_SerialNumber"]]
        name = "-".join(re.sub(r"[^A-Za-z0-9_]", lambda m: "".join(f"%{b:X}" for b in m[0].encode()), p) for p in parts if p)
        self.devices[name] = device
        self.locks[name] = threading.Lock()
        return name

    def session(self, name, events, changed=()):
        """A session from Inform to end. changed: names of parameters that are in the Inform."""
        device = self.devices[name]
        with self.locks[name]:
            with self.lock:
                now = self.last_session = max(time.time() + self.ahead, self.last_session + 0.001)
                document = copy.deepcopy(self.documents.get(name) or {"_id": name, "_deviceId": device.identity})
            forced = [n for n in device.parameters if n.endswith(URL) or n.endswith("DeviceInfo.SoftwareVersion")]
            for parameter in [*forced, *changed]:
                store(document, device, parameter, now)
            done = []
            try:
                for task in [t for t in self.tasks if t["device"] == name]:
                    if f"{name}:task_{task['_id']}" not in self.faults and self.execute(device, document, task, now):
                        done.append(task)
            except SessionFailed:
                self.fault(name, f"task_{task['_id']}", {"code": "session_terminated", "message": "The TR-069 session was unsuccessfully terminated"})
            else:
                faulted = {fault["channel"] for fault in self.faults.values() if fault["device"] == name}
                for channel, why in self.provision(device, document, events, now, faulted).items():
                    self.fault(name, channel, {"code": "ext", "message": why})
            document["_lastInform"] = iso(now)
            with self.lock:
                self.documents[name] = document
                self.tasks = [t for t in self.tasks if t not in done]

    def fault(self, name, channel, fault):
        with self.lock:
            self.faults[f"{name}:{channel}"] = {"_id": f"{name}:{channel}", "device": name, "channel": channel, "retries": 0, **fault}

    def execute(self, device, document, task, now):
        try:
            match task["name"]:
                case "getParameterValues":
                    for path in task["parameterNames"]:
                        refresh(document, device, path, now)
                case "refreshObject":
                    refresh(document, device, task["objectName"], now)
                case "setParameterValues":
                    set_values(document, device, task["parameterValues"], now)
                case "addObject":
                    refresh(document, device, task["objectName"], now)
                    if task["objectName"] + "." in device.tables:
                        device.add(task["objectName"] + ".")
                        refresh(document, device, task["objectName"], now)
                case "deleteObject":
                    if node_of(document, task["objectName"]):
                        device.delete(task["objectName"] + ".")
                        drop(document, task["objectName"])
            return True
        except CwmpFault as fault:
            self.fault(document["_id"], f"task_{task['_id']}", {"code": f"cwmp.{fault.code}", "message": fault.string, "detail": {
                "faultCode": str(fault.code), "faultString": fault.string,
                "setParameterValuesFault": [{"parameterName": n, "faultCode": str(c), "faultString": s} for n, c, s in fault.parameters]}})
            return False


def check_task(task, die):
    strings = {"refreshObject": "objectName", "addObject": "objectName", "deleteObject": "objectName"}
    name = task.get("name")
    if name in strings:
        good = isinstance(task.get(strings[name]), str) and task[strings[name]] and not task[strings[name]].endswith(".")
    elif name == "getParameterValues":
        good = task.get("parameterNames") and all(isinstance(n, str) and n for n in task["parameterNames"])
    elif name == "setParameterValues":
        good = task.get("parameterValues") and all(
            isinstance(n, str) and n and isinstance(v, (str, bool, int)) and t.startswith("xsd:") for n, v, t in task["parameterValues"])
    else:
        good = False
    if not good:
        die(f"task {task}")


def node_of(document, path):
    for key in path.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def value_of(document, path):
    return (node_of(document, path) or {}).get("_value")


def store(document, device, name, now, value=None):
    node = document
    for key in name.split("."):
        node.setdefault("_object", True)
        node.setdefault("_writable", False)
        node = node.setdefault(key, {})
    known, kind, writable = device.parameters[name]
    if value is None:
        value = "" if name in device.hidden else known
    node.update(_object=False, _writable=writable, _value=value, _type=kind, _timestamp=iso(now))


def drop(document, path):
    *above, last = path.split(".")
    node_of(document, ".".join(above)).pop(last, None) if above else document.pop(last, None)


def refresh(document, device, path, now):
    """Reads from the device what is at or below the path, and forgets what is there no more."""
    if not device.has(path):
        if node_of(document, path):
            drop(document, path)
        return
    names = [n for n in device.parameters if n == path or n.startswith(path + ".")]
    old = [n for n in names if value_of(document, n) is None or now - seconds(node_of(document, n)["_timestamp"]) >= REFRESH_GRACE]
    if old:
        device.get(old)
    for name in old:
        store(document, device, name, now)
    for table in device.tables:
        if table.startswith(path + "."):
            node = document
            for key in table[:-1].split("."):
                node = node.setdefault(key, {})
            node.update(_object=True, _writable=True)
            for key in [k for k in node if k.isdigit()]:
                if device.has(table + key):
                    node[key]["_writable"] = True
                else:
                    del node[key]


def set_values(document, device, values, now):
    wanted = {}
    for name, value, _ in values:
        if name not in device.parameters or not device.parameters[name][2]:
            continue
        if value_of(document, name) is None:
            device.get([name])
            store(document, device, name, now)
        if value_of(document, name) != value:
            wanted[name] = value
    for i in range(0, len(wanted), BATCH):
        batch = dict(list(wanted.items())[i:i + BATCH])
        if device.set(batch):
            for name, value in batch.items():
                store(document, device, name, now, value)


def project(document, paths, die):
    result = {"_id": document["_id"]}
    for path in paths:
        if any(other != path and path.startswith(other + ".") for other in paths):
            die(f"projection: path collision at {path}")
        node, target = document, result
        keys = path.split(".")
        for key in keys[:-1]:
            node = node.get(key)
            if not isinstance(node, dict):
                break
            target = target.setdefault(key, {})
        else:
            if keys[-1] in node:
                target[keys[-1]] = copy.deepcopy(node[keys[-1]])
    return result
