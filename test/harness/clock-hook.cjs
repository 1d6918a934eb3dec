/**
 * Preloaded (`node --require`) into a Node-RED that RealNodeRed starts with a `clock`. Puts the package that this
 * Node-RED will load on that time line, and removes its argument from the command line before Node-RED reads it. While
 * Node-RED runs, a time line written into the user folder (SET_CLOCK) sets the clock.
 */
const { readFileSync, realpathSync, rmSync } = require('node:fs');
const path = require('node:path');

const FLAG = '--test-clock=';
// A worker thread preloads this file as well, without the argument.
const index = process.argv.findIndex((argument) => argument.startsWith(FLAG));
if (index >= 0) {
  const [argument] = process.argv.splice(index, 1);
  const { packageFolder, timeLine, setFile } = JSON.parse(argument.slice(FLAG.length));
  // The real path is the one under which Node.js caches the module for the nodes.
  const { setClock } = require(path.join(realpathSync(packageFolder), 'dist', 'lib', 'clock.js'));
  setClock(timeLine);
  const look = () => {
    try {
      setClock(JSON.parse(readFileSync(setFile, 'utf8')));
      rmSync(setFile);
    } catch {
      // It is not there, or not yet written to its end.
    }
  };
  setInterval(look, 100).unref();
}
