// Plain JavaScript, run first by every npm script: on a Node.js that is too old, TypeScript tools would fail with riddles.
const wanted = [22, 19];
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < wanted[0] || (major === wanted[0] && minor < wanted[1])) {
  process.stderr.write(
    `This project needs Node.js ${wanted.join('.')} or later, and this is ${process.version}.\n` +
      'Its npm scripts bring Node.js 24 with them (the npm package "node"). If you see this, that package was not set up:\n' +
      'run "npm install" again without --ignore-scripts and without --omit=dev, or use a newer Node.js.\n',
  );
  process.exit(1);
}
