package vault

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// idEncoding keeps the order of the bytes: its digits stand in the order of ASCII.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// idLen is the length of an id without its prefix: 16 bytes in base 32.
const idLen = 26

// newID makes an id such as acc_06a1…: the prefix, the time in milliseconds and
// 80 random bits. Ids made later sort later, so that new rows meet at one end of
// every index, and a list in the order of ids is a list in the order of creation.
func newID(prefix string, now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails (crypto/rand)
	putMillis(b[:], now)
	return prefix + "_" + idEncoding.EncodeToString(b[:])
}

// firstID sorts before every id that was made at t or later, and after all others.
func firstID(prefix string, t time.Time) string {
	var b [16]byte
	putMillis(b[:], t)
	return prefix + "_" + idEncoding.EncodeToString(b[:])
}

func putMillis(b []byte, t time.Time) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(t.UnixMilli(), 0)))
	copy(b[:6], ms[2:])
}

// isID reports whether s looks like an id with that prefix.
func isID(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix+"_")
	if !ok || len(rest) != idLen {
		return false
	}
	_, err := idEncoding.DecodeString(rest)
	return err == nil
}

// idTime is when an id was made, to the millisecond.
func idTime(id string) time.Time {
	_, digits, _ := strings.Cut(id, "_")
	b, err := idEncoding.DecodeString(digits)
	if err != nil || len(b) < 6 {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...)))).UTC()
}
