import { Markup } from './html';

/** Styles for screen and paper, without external fonts or images. Contrasts are at least 4.5:1. */
export const STYLE = new Markup(`
:root { color-scheme: light; }
body {
  font: 16px/1.5 system-ui, sans-serif;
  max-width: 62rem;
  margin: 2rem auto;
  padding: 0 1rem;
  color: #212b32;
  background: #fff;
}
h1 { font-size: 1.9rem; }
h2 { font-size: 1.35rem; margin-top: 2.2rem; }
h3 { font-size: 1.05rem; }
h4 { font-size: .95rem; margin: 1rem 0 .2rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; }
caption { text-align: left; font-weight: 600; }
th, td {
  text-align: left;
  vertical-align: top;
  padding: .35rem .6rem .35rem 0;
  border-bottom: 1px solid #d8dde0;
}
.about th { width: 14rem; }
pre {
  font: 13px/1.45 ui-monospace, monospace;
  background: #f0f4f5;
  padding: .5rem .7rem;
  margin: .2rem 0;
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}
.seen, .when { color: #425563; overflow-wrap: anywhere; }
.seen { white-space: pre-wrap; }
a { color: #005eb8; }
.verdict { font-weight: 600; white-space: nowrap; }
.passed { color: #00663b; }
.failed { color: #b60000; }
.not-possible-here, .needs-a-person { color: #425563; }
footer { margin-top: 3rem; color: #425563; }
@media print {
  body { margin: 0; max-width: none; font-size: 11pt; }
  section { break-before: page; }
  article, tr { break-inside: avoid; }
  a { color: inherit; text-decoration: none; }
}
`);
