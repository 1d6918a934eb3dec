/** Nodes that cost as little as possible: one sends the messages of a flow, one counts them on their way. */
'use strict';
const { mark, useSource } = require('../hook.cjs');

module.exports = function (RED) {
  RED.nodes.registerType('bench-source', function (config) {
    RED.nodes.createNode(this, config);
    // All at once, as a flow does that has read a file of many lines.
    this.emitMany = (count) => {
      for (let i = 0; i < count; i += 1) this.send({ payload: config.payload });
    };
    useSource(this);
  });

  RED.nodes.registerType('bench-mark', function (config) {
    RED.nodes.createNode(this, config);
    this.on('input', (msg, send, done) => {
      mark(config.mark);
      send(msg);
      done();
    });
  });
};
