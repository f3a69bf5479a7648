// SPDX-License-Identifier: GPL-2.0-or-later
// Provision script for GenieACS: gives each gateway credentials of its own for connection requests, its interval of
// periodic Informs, and the compression of what it sends. Arguments: the interval in seconds; the compression, "GZIP" or
// "Deflate", which is left as it is without this argument, or where the gateway does not have it.
//
// GenieACS's default script derives the password from the device's id alone, which is printed on the device. Here a secret
// of this host is in it.
const now = Date.now();
const id = declare("DeviceID.ID", {value: 1});
const bootstrap = declare("Events.0_BOOTSTRAP", {value: 1});
const url = declare("InternetGatewayDevice.ManagementServer.ConnectionRequestURL", {value: 1});

const server = `${url.value ? "InternetGatewayDevice" : "Device"}.ManagementServer.`;
const password = ext("ispstorage", "password", id.value[0]);

// A device that was reset has lost them, whatever GenieACS remembers.
const age = {value: bootstrap.value && bootstrap.value[0] >= now ? now : 1};
declare(server + "ConnectionRequestUsername", age, {value: id.value[0]});
declare(server + "ConnectionRequestPassword", age, {value: password});
declare(server + "PeriodicInformEnable", age, {value: true});
declare(server + "PeriodicInformInterval", age, {value: args[0]});

if (args[1]) {
  const supported = declare(server + "HTTPCompressionSupported", {value: 1});
  if (supported.value && String(supported.value[0]).split(",").includes(args[1]))
    declare(server + "HTTPCompression", age, {value: args[1]});
}
