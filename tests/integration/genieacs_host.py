# SPDX-License-Identifier: GPL-2.0-or-later
"""ispstorage-genieacs-bridge between a scripted GenieACS (genieacs.py) and a broker; GenieACS's own scripts run in node."""

import functools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import operator_host
from frontend_stand_in import Subscriber
from genieacs import URL, Device, GenieAcs
from operator_host import ROOT, SYNC, listens
from sync_server import free_port

SOURCE = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = SOURCE / "operator/genieacs"
NODE = shutil.which("node", path="/usr/bin:/bin")
PATIENCE = 60
wait_until = functools.partial(operator_host.wait_until, patience=PATIENCE)
STORAGE = f"{ROOT}Services.StorageService.1."
GW1 = "000000-ISPStorage-GW0001"


class Bridge:
    """The program, with the socket that systemd would pass."""

    def __init__(self, program, directory, url, broker_port, requests=64, **broker):
        self.program, self.directory = program, pathlib.Path(directory)
        self.configuration = self.directory / "genieacs-bridge.conf"
        lines = "".join(f"{key}={value}\n" for key, value in {"Port": broker_port, **broker}.items())
        self.configuration.write_text(f"[GenieACS]\nURL={url}\nRequests={requests}\n[Bridge]\nDatabase={self.directory}/bridge.db\n[Broker]\n{lines}")
        self.socket_path = str(self.directory / "inform.socket")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(self.socket_path)
        self.socket.listen()
        self.process, self.log = None, []
        self.start()

    def start(self, *wrapper):
        """Returns when it has connected; with a wrapper at once."""
        start = 'exec 3<&"$1"; shift; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", start, "bash", str(self.socket.fileno()), *wrapper, self.program, f"--config={self.configuration}"],
            stderr=subprocess.PIPE, text=True, pass_fds=[self.socket.fileno()])
        connected = threading.Event()

        def pump(stream):
            with stream:
                for line in stream:
                    self.log.append(line)
                    if line.startswith("Connected to the MQTT broker"):
                        connected.set()

        self.pump = threading.Thread(target=pump, args=[self.process.stderr], daemon=True)
        self.pump.start()
        if not wrapper and not connected.wait(PATIENCE):
            raise AssertionError(f"the bridge does not connect: {''.join(self.log)}")

    def stop(self, kill=False):
        """Returns the exit status."""
        self.process.kill() if kill else self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.pump.join()
        return status

    def close(self):
        status = self.stop()
        self.socket.close()
        return status

    def report(self, line):
        """What the bridge answers to a line on its socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(PATIENCE)
            s.connect(self.socket_path)
            s.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
            answer = b""
            while data := s.recv(1000):
                answer += data
        return answer.decode()


class Sandbox:
    """node with genieacs_sandbox.js: runs the provision scripts as genieacs-cwmp does, and the extension with them."""

    def __init__(self, directory, socket_path, oui="000000"):
        secret = pathlib.Path(directory) / "genieacs.secret"
        secret.write_text("a secret of this host alone")
        self.process = subprocess.Popen(
            [NODE, str(pathlib.Path(__file__).parent / "genieacs_sandbox.js"), str(SCRIPTS / "ext/ispstorage.js")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "ISPSTORAGE_BRIDGE_SOCKET": socket_path, "ISPSTORAGE_SECRET_FILE": str(secret)})
        self.presets = [json.loads(path.read_text()) for path in (SCRIPTS / "presets").glob("*.json")]
        self.presets.sort(key=lambda preset: preset["weight"])
        self.lock, self.calls = threading.Lock(), []

    def run(self, script, arguments, now, values, device):
        """One script in one session. Returns what node says: the values that it declared, its calls of the extension, its fault."""
        with self.lock:
            request = {"script": (SCRIPTS / "provisions" / f"{script}.js").read_text(), "args": arguments, "now": now,
                       "values": values, "device": device}
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def provision(self, device, document, events, session, faulted):
        """As the presets do at the end of a session (genieacs.GenieAcs)."""
        now, faults = int(session * 1000), {}
        identity = document["_deviceId"]
        special = {f"DeviceID.{name[1:]}": [[value, "xsd:string"], now] for name, value in identity.items()}
        special["DeviceID.ID"] = [[document["_id"], "xsd:string"], now]
        for event in [*events, "Inform"]:
            special[f"Events.{event.replace(' ', '_')}"] = [[now, "xsd:dateTime"], now]
        for preset in self.presets:
            if preset["channel"] in faulted or any(
                    special[name][0][0] != value for name, value in json.loads(preset["precondition"]).items()):
                continue
            for configuration in preset["configurations"]:
                values = {**special, **known_values(document)}
                on_device = {n: [("" if n in device.hidden else v), t] for n, (v, t, _) in device.parameters.items()}
                result = self.run(configuration["name"], configuration["args"], now, values, on_device)
                self.calls += result["calls"]
                if result["fault"]:
                    faults[preset["channel"]] = result["fault"]
                    continue
                declared = {n: v for n, v in result["sets"].items() if n in device.parameters}
                if declared:
                    device.set(declared)
        return faults

    def close(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def known_values(node, prefix=""):
    found = {}
    for key, child in node.items():
        if key.startswith("_") or not isinstance(child, dict):
            continue
        if "_value" in child:
            found[prefix + key] = [[child["_value"], child["_type"]], 1]
        found |= known_values(child, f"{prefix}{key}.")
    return found


def gateway_parameters(root="InternetGatewayDevice.", sync="X_000000_ISPStorage"):
    """What a gateway has before it is provisioned, and its tables."""
    one = f"{root}Services.{sync}.1."
    storage = f"{root}Services.StorageService.1."
    text, number, flag = "xsd:string", "xsd:unsignedInt", "xsd:boolean"
    parameters = {
        root + URL: ["http://127.0.0.1:7547/abc", text, False],
        f"{root}ManagementServer.ConnectionRequestUsername": ["", text, True],
        f"{root}ManagementServer.ConnectionRequestPassword": ["", text, True],
        f"{root}ManagementServer.PeriodicInformEnable": [False, flag, True],
        f"{root}ManagementServer.PeriodicInformInterval": [600, number, True],
        f"{root}ManagementServer.HTTPCompression": ["Disabled", text, True],
        f"{root}ManagementServer.HTTPCompressionSupported": ["GZIP,Deflate", text, False],
        f"{root}DeviceInfo.SoftwareVersion": ["0.1.0", text, False],
        **{one + name: [value, text, False] for name, value in (
            ("Status", "Disabled"), ("LastError", ""), ("PublicKey", ""), ("Revision", ""), ("SyncStatus", ""), ("Guard.Held", ""))},
        **{one + name: ["", text, True] for name in ("GatewayName", "Folder", "RepositoryURL", "RepositoryHostKeys", "SyncOp")},
        one + "Enabled": [False, flag, True],
        one + "LastOpSeq": [0, number, False],
        one + "ConflictCount": [0, number, False],
        storage + "Enable": [False, flag, True],
        storage + "PhysicalMedium.1.Capacity": [1000, number, False],
        storage + "NetworkServer.SMBEnable": [False, flag, True],
        storage + "NetworkServer.NetworkProtocolAuthReq": [False, flag, True],
        storage + "FTPServer.Enable": [False, flag, True],
        storage + "FTPServer.IdleTime": [0, number, True],
        storage + "HTTPServer.AuthenticationReq": [False, flag, True],
        storage + "HTTPServer.Enable": [False, flag, True],
    }
    parameters[one + "Status"][2] = True
    access = {"UserReference": ["", text], "Permissions": [0, number], "Enable": [False, flag]}
    tables = {
        storage + "UserAccount.": {"Username": ["", text], "Password": ["", text], "Enable": [False, flag],
                                   "AllowFTPAccess": [False, flag], "AllowHTTPAccess": [False, flag]},
        storage + "LogicalVolume.": {
            "Name": ["", text], "PhysicalReference": ["", text], "Capacity": [0, number], "Enable": [False, flag],
            "Folder.": [{"Name": ["", text], "UserAccountAccess": [0, number], "Enable": [False, flag],
                         "UserAccess.": [access, None]}, None]},
    }
    return parameters, tables


def report(session=1000, **members):
    return {"manufacturer": "Test", "oui": "000000", "product_class": "ISPStorage", "serial_number": "GW0001", "root": ROOT,
            "session": session, "events": ["4 VALUE CHANGE"], "parameters": {SYNC + "Status": "Ready"}, **members}


class BridgeCase(unittest.TestCase):
    """A bridge with one gateway at GenieACS; the test is the frontend. program: its path."""

    program = None
    requests = 64

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="test-genieacs-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.broker_port = free_port()
        (self.directory / "mosquitto.conf").write_text(f"listener {self.broker_port} 127.0.0.1\nallow_anonymous true\nuser root\n"
                                                       f"persistence true\npersistence_location {self.directory}/\n")
        self.start_broker()
        self.addCleanup(self.stop_broker)
        self.frontend = Subscriber(self.broker_port)
        self.addCleanup(self.frontend.close)
        self.acs = GenieAcs()
        self.addCleanup(self.close_acs)
        self.bridge = Bridge(self.program, self.directory, self.acs.url, self.broker_port, self.requests)
        self.addCleanup(lambda: self.assertEqual(self.bridge.close(), 0, "".join(self.bridge.log)))
        self.device = Device(*gateway_parameters())
        self.assertEqual(self.acs.add(self.device), GW1)
        self.acs.session(GW1, ["0 BOOTSTRAP"])
        self.number = 0

    def start_broker(self):
        self.broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(self.directory / "mosquitto.conf")], stderr=subprocess.DEVNULL)
        wait_until("the broker listens", lambda: listens(self.broker_port))

    def stop_broker(self):
        self.broker.terminate()
        self.broker.wait()

    def close_acs(self):
        self.acs.close()
        self.assertIsNone(self.acs.died, "GenieACS was stopped")

    def order(self, device=GW1, **command):
        self.number += 1
        name = f"c{self.number}"
        self.frontend.publish(device, "command", {"id": name, **command})
        return name

    def execute(self, device=GW1, **command):
        result = self.frontend.result(self.order(device, **command))
        self.frontend.ack(device, result)
        return result

    def posts(self):
        """How many tasks were posted."""
        return sum(method == "POST" and path.split("?")[0].endswith("/tasks") for method, path in self.acs.requests)
