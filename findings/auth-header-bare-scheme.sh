#!/usr/bin/env bash
# auth-header 1.0.0 refuses a challenge that is a scheme alone, and reads a parameter with blanks around "=" as tokens.
#
# RFC 9110 §11.3: a challenge is a scheme, and parameters or a token68 only if there are some; "Negotiate" alone is the
# first message of RFC 4559 §4.1. §11.2: blanks may stand around "=". Its sibling www-authenticate 0.6.3 refuses
# both as well.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error auth-header@1.0.0 www-authenticate@0.6.3 >/dev/null
cat >try.mjs <<'JS'
import { parse } from 'auth-header'
import www from 'www-authenticate'
const tried = (f) => { try { return JSON.stringify(f()) } catch (e) { return `${e.constructor.name}` } }
for (const challenge of ['Bearer realm="r"', 'Negotiate', 'Bearer realm = "r"']) {
	console.log(`${challenge}: ${tried(() => parse(challenge))} ${tried(() => new www.parsers.WWW_Authenticate(challenge))}`)
}
JS
node try.mjs | tee seen
diff seen - <<'WANT'
Bearer realm="r": {"scheme":"Bearer","params":{"realm":"r"},"token":null} {"scheme":"Bearer","parms":{"realm":"r"}}
Negotiate: TypeError TypeError
Bearer realm = "r": {"scheme":"Bearer","params":{},"token":["realm","r"]} {"scheme":"","parms":{},"err":"Comma expected after "}
WANT
