// SPDX-License-Identifier: GPL-2.0-or-later
// Provision script for GenieACS: tells ispstorage-genieacs-bridge what a gateway reports.
// Argument: the OUI in the name of the vendor object X_<OUI>_ISPStorage.
//
// GenieACS may run this several times in one session. The same report has no further effect, so that does not matter.
const now = Date.now();

// Both are in every Inform, by either data model.
const root = declare("InternetGatewayDevice.ManagementServer.ConnectionRequestURL", {value: 1}).value
  ? "InternetGatewayDevice."
  : "Device.";

// An event of this session has its time; GenieACS makes two of its own.
const events = [];
for (const event of declare("Events.*", {value: 1})) {
  const name = event.path.slice("Events.".length);
  if (name !== "Inform" && name !== "Registered" && event.value && event.value[0] >= now)
    events.push(name.replace(/_/g, " "));
}
events.sort();

// Where nothing is new the known values will do, if they are not too old. Otherwise those that were not in the Inform are
// read from the device, so that what is reported is true of one moment.
const quiet = events.every((code) => code === "2 PERIODIC" || code === "6 CONNECTION REQUEST");
const age = {value: quiet ? Date.now(3600000) : now};

const object = `${root}Services.X_${args[0]}_ISPStorage.1.`;
const names = ["Status", "LastError", "PublicKey", "LastOpSeq", "Revision", "ConflictCount", "Guard.Held"];
// A state that passes: news only while it is reported.
if (!quiet) names.push("SyncStatus");
const parameters = names.map((name) => [object + name, declare(object + name, age)]);
parameters.push([`${root}DeviceInfo.SoftwareVersion`, declare(`${root}DeviceInfo.SoftwareVersion`, {value: 1})]);

function id(name) {
  const parameter = declare(`DeviceID.${name}`, {value: 1});
  return () => (parameter.value ? String(parameter.value[0]) : "");
}
const manufacturer = id("Manufacturer"), oui = id("OUI"), productClass = id("ProductClass"), serialNumber = id("SerialNumber");

function text([value, type]) {
  if (type === "xsd:dateTime" && typeof value === "number")
    return new Date(value).toISOString().replace(/\.\d+Z$/, "Z");
  return String(value);
}

const report = {
  manufacturer: manufacturer(),
  oui: oui(),
  product_class: productClass(),
  serial_number: serialNumber(),
  root: root,
  session: now,
  events: events,
  parameters: {},
};
for (const [name, parameter] of parameters)
  if (parameter.value) report.parameters[name] = text(parameter.value);

// A device without the service is not our business.
if (`${object}Status` in report.parameters) ext("ispstorage", "inform", JSON.stringify(report));
