// Plain JavaScript, run first by every npm script: on an old Node.js, TypeScript tools fail with obscure errors.
const required = [22, 19];
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < required[0] || (major === required[0] && minor < required[1])) {
  process.stderr.write(
    `This project needs Node.js ${required.join('.')} or later; this is ${process.version}.\n` +
      'Its npm scripts bring Node.js 24 with them (the npm package "node"). If you see this, that package was not\n' +
      'installed: run "npm install" again without --ignore-scripts and without --omit=dev, or use a newer Node.js.\n',
  );
  process.exit(1);
}
