package database

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"sync/atomic"
	"time"
)

// idEncoding keeps the order of the bytes: its digits stand in the order of ASCII.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// idLen is the length of an id without its prefix: 16 bytes in base 32.
const idLen = 26

// idCount orders the ids that this process makes within one microsecond.
var idCount atomic.Uint32

// NewID makes an id such as acc_06a1…: the prefix, the time in microseconds, a
// count and 56 random bits. Ids made later sort later, so that new rows meet at
// one end of every index, and a list in the order of ids is a list in the order
// of creation.
func NewID(prefix string, now time.Time) string {
	var b [16]byte
	putMicros(b[:], now)
	binary.BigEndian.PutUint16(b[7:], uint16(idCount.Add(1)))
	_, _ = rand.Read(b[9:]) // never fails (crypto/rand)
	return prefix + "_" + idEncoding.EncodeToString(b[:])
}

// FirstID sorts before every id that was made at t or later, and after all others.
func FirstID(prefix string, t time.Time) string {
	var b [16]byte
	putMicros(b[:], t)
	return prefix + "_" + idEncoding.EncodeToString(b[:])
}

// putMicros writes the time into the first seven bytes; they last until 4253.
func putMicros(b []byte, t time.Time) {
	var us [8]byte
	binary.BigEndian.PutUint64(us[:], uint64(max(t.UnixMicro(), 0)))
	copy(b[:7], us[1:])
}

// IsID reports whether s looks like an id with that prefix.
func IsID(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix+"_")
	if !ok || len(rest) != idLen {
		return false
	}
	_, err := idEncoding.DecodeString(rest)
	return err == nil
}

// IDTime is when an id was made.
func IDTime(id string) time.Time {
	_, digits, _ := strings.Cut(id, "_")
	b, err := idEncoding.DecodeString(digits)
	if err != nil || len(b) < 7 {
		return time.Time{}
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(append([]byte{0}, b[:7]...)))).UTC()
}
