// ClickHouse on a Parquet file, as an engine process of the benchmarks: the
// same lines of JSON as the others (see engine.go).
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const place = JSON.parse(process.argv[2]);
const { Session } = createRequire(import.meta.url)('chdb');
const home = mkdtempSync(join(tmpdir(), 'tarn-bench-chdb'));
const session = new Session(home);
const tell = (reply) => process.stdout.write(JSON.stringify(reply) + '\n');

session.query(`SET max_threads = ${place.threads}`);
tell({ version: session.query('SELECT version()', 'TSV').trim() });

// The file stands where the others have a table.
const asAsked = (sql) => sql.replace(new RegExp(`FROM ${place.table}\\b`), `FROM file('${place.parquet}', Parquet)`);

const unescape = (s) => s.replace(/\\(.)/g, (_, c) => ({ t: '\t', n: '\n', r: '\r', b: '\b', f: '\f', 0: '\0' })[c] ?? c);

function cell(text, type) {
  if (text === '\\N') return 'NULL';
  if (/Float/.test(type)) return '~' + text;
  if (/Decimal/.test(type) && text.includes('.')) return text.replace(/\.?0+$/, '');
  if (/DateTime/.test(type)) return text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '').replace(/ 00:00:00$/, '');
  return unescape(text);
}

function answer(tsv) {
  const lines = tsv.replace(/\n$/, '').split('\n');
  const types = lines[1].split('\t');
  return lines.slice(2).map((l) => l.split('\t').map((c, i) => cell(c, types[i])));
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { sql = [] } = JSON.parse(line);
    let nanos = 0;
    const answers = [];
    for (const text of sql.map(asAsked)) {
      const start = process.hrtime.bigint();
      const tsv = session.query(text, 'TSVWithNamesAndTypes');
      nanos += Number(process.hrtime.bigint() - start);
      answers.push(answer(tsv));
    }
    tell({ nanos, answers });
  } catch (e) {
    tell({ error: String(e.message ?? e).slice(0, 500) });
  }
}
session.cleanup();
rmSync(home, { recursive: true, force: true });
process.exit(0);
