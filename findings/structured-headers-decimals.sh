#!/usr/bin/env bash
# npm structured-headers 2.1.0: a Decimal whose fraction rounds to nothing is written as "1.", which no parser takes,
# and a Decimal that was parsed as 1.0 is written as the Integer 1.
#
# RFC 9651 §4.1.5 wants at least one digit behind the point (1.0005 is rounded to "1.0"), and a Decimal stays a Decimal
# (§3.3.2). Signatures over a field with the parameter "sf" (RFC 9421 §2.1.1) are made of the field written anew: a
# verifier that keeps "q=1.0" and a signer that writes "q=1" never agree. The library's own parser refuses "1.".
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --loglevel=error structured-headers@2.1.0 >/dev/null
cat >try.mjs <<'JS'
import { parseDictionary, parseItem, serializeDictionary, serializeItem } from 'structured-headers'
const written = serializeItem(1.0005)
console.log('1.0005 is written as', JSON.stringify(written))
try { parseItem(written); console.log('and read again') } catch (e) { console.log('and cannot be read again:', e.constructor.name) }
console.log('q=1.0 is written anew as', serializeDictionary(parseDictionary('q=1.0')))
JS
node try.mjs | tee seen
diff seen - <<'WANT'
1.0005 is written as "1."
and cannot be read again: ParseError
q=1.0 is written anew as q=1
WANT
