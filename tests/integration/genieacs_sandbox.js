// SPDX-License-Identifier: GPL-2.0-or-later
// Runs provision scripts of GenieACS as its documentation describes their environment: declare(), ext(), log(), args, and a
// Date whose now() is the session's. Argument: the extension's file. Each line of standard input is a request,
//   {"script": text, "args": [...], "now": ms, "values": {name: [[value, type], timestamp]}, "device": {name: [value, type]}}
// (what GenieACS knows, what the device has), each line of output its result:
//   {"fault": text or null, "calls": [[function, argument...]], "sets": {name: value}, "reads": [name]}
"use strict";

const path = require("path");
const readline = require("readline");
const vm = require("vm");

const EXT = Symbol("the script waits for an extension");
const extension = require(path.resolve(process.argv[2]));

function environment(request, cache, result) {
  const values = new Map(Object.entries(request.values));
  let pending = [];

  // Declarations take effect together, when a result is looked at.
  function commit() {
    for (const [name, timestamps, wanted] of pending) {
      const known = values.get(name);
      const here = request.device[name];
      if (here && (!known || known[1] < (timestamps.value || 0))) {
        values.set(name, [here, request.now]);
        if (!result.reads.includes(name)) result.reads.push(name);
      }
      if ("value" in wanted && values.has(name) && values.get(name)[0][0] !== wanted.value) result.sets[name] = wanted.value;
    }
    pending = [];
  }

  function parameter(name) {
    return {
      get path() { commit(); return values.has(name) ? name : undefined; },
      get value() { commit(); return values.has(name) ? values.get(name)[0] : undefined; },
    };
  }

  return {
    args: request.args,
    Date: class extends Date {
      constructor(...time) { super(...(time.length ? time : [request.now])); }
      static now(interval) { return interval ? request.now - (request.now % interval) : request.now; }
    },
    declare(name, timestamps, wanted) {
      pending.push([name, timestamps || {}, wanted || {}]);
      return {
        get path() { return parameter(name).path; },
        get value() { return parameter(name).value; },
        *[Symbol.iterator]() {
          commit();
          const start = name.replace(/\*$/, "");
          for (const found of values.keys())
            if (found.startsWith(start) && !found.slice(start.length).includes(".")) yield parameter(found);
        },
      };
    },
    ext(...call) {
      const key = JSON.stringify(call.map(String));
      if (!cache.has(key)) throw Object.assign(new Error("ext"), {[EXT]: call.map(String)});
      return cache.get(key);
    },
    log() {},
    commit,
  };
}

async function callExtension([file, name, ...args]) {
  if (file !== path.basename(process.argv[2], ".js")) throw new Error(`no extension ${file}`);
  return new Promise((resolve, reject) => extension[name](args, (error, value) => (error ? reject(error) : resolve(value))));
}

async function run(request) {
  const cache = new Map();
  const result = {fault: null, calls: [], sets: {}, reads: []};
  for (;;) {
    const context = environment(request, cache, result);
    try {
      vm.runInNewContext(`"use strict";(function(){\n${request.script}\n})();`, context);
      context.commit();
      return result;
    } catch (error) {
      const call = error[EXT];
      if (!call) return {...result, fault: `script.${error.name}: ${error.message}`};
      result.calls.push(call.slice(1));
      try {
        cache.set(JSON.stringify(call), await callExtension(call));
      } catch (failure) {
        return {...result, fault: `ext.${failure.name}: ${failure.message}`};
      }
    }
  }
}

(async () => {
  for await (const line of readline.createInterface({input: process.stdin}))
    process.stdout.write(JSON.stringify(await run(JSON.parse(line))) + "\n");
})();
