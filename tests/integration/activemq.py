# SPDX-License-Identifier: GPL-2.0-or-later
"""ActiveMQ of Debian as the queue, with the configuration that an operator gets."""

import pathlib
import shutil

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HOME = pathlib.Path("/usr/share/activemq")
# What its MQTT connector needs and Debian has in packages of its own.
JARS = [pathlib.Path("/usr/share/java") / f"{name}.jar" for name in ("mqtt-client", "hawtdispatch", "hawtdispatch-transport", "hawtbuf")]


def prepare(directory, port):
    """Makes an instance below the directory, if there is none yet. Returns the command that runs it."""
    base = directory / "activemq"
    if not base.exists():
        (base / "conf").mkdir(parents=True)
        (base / "lib").mkdir()
        for jar in JARS:
            (base / "lib" / jar.name).symlink_to(jar)
        shutil.copy(SOURCE / "operator/activemq/activemq.xml", base / "conf")
        (base / "conf/ispstorage.properties").write_text(
            f"acs.password=acs-password\nfrontend.password=frontend-password\nmqtt.uri=mqtt://127.0.0.1:{port}\n")
        (base / "conf/log4j.properties").write_text(
            "log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.out.layout=org.apache.log4j.SimpleLayout\n")
    return ["/usr/bin/java", "-Xmx256M", f"-Dactivemq.home={HOME}", f"-Dactivemq.base={base}", f"-Dactivemq.conf={base}/conf",
            f"-Dlog4j.configuration=file:{base}/conf/log4j.properties", "-jar", str(HOME / "bin/activemq.jar"), "start",
            f"xbean:file:{base}/conf/activemq.xml"]
