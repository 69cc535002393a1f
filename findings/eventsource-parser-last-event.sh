#!/usr/bin/env bash
# eventsource-parser 3.1.1 does not give out an event whose blank line is a carriage return until more text comes, and
# loses it where nothing comes.
#
# A line may end with CR alone (HTML standard §9.2.5), so "data: a CR CR" is a whole event. The parser waits whether LF
# follows: a live stream is one event late, and the last event of a stream is gone, although the blank line behind it
# has arrived. The LF could be skipped when it comes, as the standard's grammar allows.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error eventsource-parser@3.1.1 >/dev/null
cat >try.mjs <<'JS'
import { createParser } from 'eventsource-parser'
import { EventSourceParserStream } from 'eventsource-parser/stream'
for (const [name, end] of [['LF', '\n'], ['CR LF', '\r\n'], ['CR', '\r']]) {
	const events = []
	const parser = createParser({ onEvent: (e) => events.push(e.data) })
	const after = ['one', 'two'].map((data) => { parser.feed(`data: ${data}${end}${end}`); return events.length })
	const text = new ReadableStream({ start(c) { c.enqueue(`data: one${end}${end}data: two${end}${end}`); c.close() } })
	const whole = []
	for await (const e of text.pipeThrough(new EventSourceParserStream())) whole.push(e.data)
	console.log(`${name}: after each of two events ${after}; of a stream that ended ${whole}`)
}
JS
node try.mjs | tee seen
diff seen - <<'WANT'
LF: after each of two events 1,2; of a stream that ended one,two
CR LF: after each of two events 1,2; of a stream that ended one,two
CR: after each of two events 0,1; of a stream that ended one
WANT
