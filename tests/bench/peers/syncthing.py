# SPDX-License-Identifier: GPL-2.0-or-later
"""syncthing in a star: every gateway knows the server alone."""

import os
import subprocess
import time
import xml.etree.ElementTree as xml

from gateways import Failure, wait_until
from peers.site import SERVER_ADDRESS, Peer
from service import Arrival, wait_arrivals

PORT, API_PORT, API_KEY = 22000, 8384, "bench"
OPTIONS = {"globalAnnounceEnabled": "false", "localAnnounceEnabled": "false", "relaysEnabled": "false", "natEnabled": "false",
           "startBrowser": "false", "urAccepted": "-1", "crashReportingEnabled": "false", "autoUpgradeIntervalH": "0",
           "setLowPriority": "false"}


class Instance:
    """One syncthing: at the server, or on a gateway."""

    def __init__(self, name, command, home, folder, address):
        self.name, self.command, self.home, self.folder, self.address = name, command, home, folder, address
        self.process = None
        done = subprocess.run(command("syncthing", "generate", "--no-default-folder", f"--home={home}"), capture_output=True,
                              env=self.environment(), check=False)
        if done.returncode != 0:
            raise Failure(f"syncthing generate: {done.stderr[-1000:].decode(errors='replace')}")
        self.id = xml.parse(f"{home}/config.xml").getroot().find("device").get("id")

    def environment(self):
        return dict(os.environ, HOME=str(self.home), STNODEFAULTFOLDER="1", STNOUPGRADE="1")

    def configure(self, peers):
        """peers: the other ends of its connections."""
        tree = xml.parse(f"{self.home}/config.xml")
        root = tree.getroot()
        options = root.find("options")
        for name in {"listenAddress", *OPTIONS}:
            for old in options.findall(name):
                options.remove(old)
        for name, value in {**OPTIONS, "listenAddress": f"tcp://{self.address}:{PORT}"}.items():
            xml.SubElement(options, name).text = value
        gui = root.find("gui")
        gui.find("address").text = f"127.0.0.1:{API_PORT}"
        gui.find("apikey").text = API_KEY
        folder = xml.SubElement(root, "folder", {
            "id": "bench", "path": str(self.folder), "type": "sendreceive", "rescanIntervalS": "0", "fsWatcherEnabled": "false"})
        for instance in (self, *peers):
            xml.SubElement(folder, "device", {"id": instance.id})
        for instance in peers:
            device = xml.SubElement(root, "device", {"id": instance.id, "name": instance.name})
            xml.SubElement(device, "address").text = f"tcp://{instance.address}:{PORT}"
        tree.write(f"{self.home}/config.xml")

    def start(self):
        command = self.command("syncthing", "serve", f"--home={self.home}", "--no-browser", "--no-restart")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env=self.environment())

    def call(self, path, method="GET"):
        command = self.command("curl", "-sS", "--fail", "-X", method, "-H", f"X-API-Key: {API_KEY}",
                               f"http://127.0.0.1:{API_PORT}/rest/{path}")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"syncthing on {self.name}: {done.stderr}")
        return done.stdout


class Syncthing(Peer):
    name = "syncthing"
    configuration = ("a star around the server, no relays, discovery, NAT or low priority; its watcher off, and told to scan at once through "
                     "its interface (its watcher would wait for 1 s or more)")
    needs = ("syncthing", "curl")

    def __init__(self, bed):
        super().__init__(bed)
        self.server, self.instances = None, []

    def start(self):
        bed = self.site.bed
        self.server = Instance("operator", bed.operator.in_network, self.site.server / "syncthing", self.site.folder,
                               SERVER_ADDRESS)
        self.instances = [Instance(h.name, h.node.limited, h.home / "syncthing", h.folder, f"10.77.{h.name[2:]}.2")
                          for h in self.site.hosts]
        self.server.configure(self.instances)
        for instance in self.instances:
            instance.configure([self.server])
        for instance in (self.server, *self.instances):
            instance.start()
        for instance in (self.server, *self.instances):
            wait_until(f"syncthing on {instance.name}", lambda i=instance: "pong" in i.call("system/ping"))
        wait_until("syncthing is connected", lambda: self.server.call("system/connections").count('"connected": true') >=
                   len(self.instances))

    def synchronize(self, expected):
        arrivals = [Arrival(host, expected) for host in self.others]
        start = time.time()
        self.instances[0].call("db/scan?folder=bench", "POST")
        arrived = max(wait_arrivals(arrivals).values())
        return None, arrived - start

    def close(self):
        running = [i.process for i in (self.server, *self.instances) if i and i.process]
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        super().close()
