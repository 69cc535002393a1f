package integration_test

import (
	"encoding/binary"
	"hash"
	"hash/crc64"
	"io"
)

// pattern is a body of any length that needs no memory: the big-endian number
// of each eight bytes. A lost, doubled or swapped part shows in its checksum.
type pattern struct {
	size, at int64
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.at >= p.size {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.size-p.at)]
	n := 0
	for n < len(b) {
		var word [8]byte
		binary.BigEndian.PutUint64(word[:], uint64(p.at)/8)
		k := copy(b[n:], word[p.at%8:])
		n += k
		p.at += int64(k)
	}
	return n, nil
}

func (p *pattern) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += p.at
	case io.SeekEnd:
		offset += p.size
	}
	p.at = offset
	return offset, nil
}

var crcTable = crc64.MakeTable(crc64.ECMA)

// newChecksum is fast enough not to be what a transfer waits for.
func newChecksum() hash.Hash64 { return crc64.New(crcTable) }

// patternSum is the checksum of the first n bytes of the pattern.
func patternSum(n int64) uint64 {
	sum := newChecksum()
	io.Copy(sum, &pattern{size: n})
	return sum.Sum64()
}
