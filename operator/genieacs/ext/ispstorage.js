// SPDX-License-Identifier: GPL-2.0-or-later
// Extension of GenieACS for the provision scripts ispstorage-inform and ispstorage-connection-request. It needs nothing but
// Node.js: ispstorage-genieacs-bridge talks to the message broker, and keeps what the broker may lose.
"use strict";

const crypto = require("crypto");
const fs = require("fs");
const net = require("net");

const SOCKET = process.env.ISPSTORAGE_BRIDGE_SOCKET || "/run/ispstorage-genieacs/inform.socket";
const SECRET = process.env.ISPSTORAGE_SECRET_FILE || "/etc/ispstorage-operator/genieacs.secret";
// GenieACS gives up after 3 seconds (EXT_TIMEOUT), and then nobody knows why.
const TIMEOUT_MSEC = 2500;
const SECRET_LENGTH_MIN = 16;

// Hands a report over; the bridge answers when it is on disk. On failure GenieACS notes a fault, and runs the script again in
// a later session.
exports.inform = ([report], callback) => {
  const socket = net.createConnection(SOCKET);
  let answer = "";
  let isOver = false;

  function end(error) {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    callback(error, error ? null : true);
  }

  socket.setTimeout(TIMEOUT_MSEC, () => end(new Error("ispstorage-genieacs-bridge does not answer")));
  socket.setEncoding("utf8");
  socket.on("error", (error) => end(error));
  socket.on("data", (data) => (answer += data));
  socket.on("close", () => end(answer === "ok\n" ? null : new Error(`ispstorage-genieacs-bridge: ${answer.trim() || "no answer"}`)));
  socket.write(report + "\n");
};

// The same password whenever it is asked for, that only this host can tell.
exports.password = ([id], callback) => {
  fs.readFile(SECRET, (error, secret) => {
    if (!error && secret.length < SECRET_LENGTH_MIN) error = new Error(`${SECRET} is too short`);
    callback(error, error ? null : crypto.createHmac("sha256", secret).update(id).digest("hex").slice(0, 32));
  });
};
