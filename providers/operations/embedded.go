package operations

import (
	_ "embed" // of the tables
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

//go:generate go run ./import

// tables are those that are built in: the length of a Contents as JSON on a line, that
// JSON, and the tables, each compressed by itself. Nothing of it is read before it is
// asked for.
//
//go:embed tables.bin
var tables string

// Contents says which tables there are, and where they come from.
type Contents struct {
	// Checked is the day on which they were made: 2006-01-02.
	Checked string   `json:"checked"`
	Sources []Source `json:"sources"`
	// Tables are by connector.
	Tables map[string]Built `json:"tables"`
}

// Source is a package that descriptions were taken from: methods, paths and names, no
// text of it.
type Source struct {
	// Package is an npm package, or what Registry says otherwise.
	Package  string `json:"package"`
	Registry string `json:"registry,omitempty"`
	Version  string `json:"version"`
	License  string `json:"license"`
}

func (s Source) String() string {
	return fmt.Sprintf("%s %s (%s)", s.Package, s.Version, s.License)
}

// Built is one table that is built in.
type Built struct {
	Offset     int `json:"at"`
	Length     int `json:"length"`
	Size       int `json:"size"` // when decompressed
	Operations int `json:"operations"`
	// Sources are places in Contents.Sources.
	Sources []int `json:"sources"`
}

var contents = sync.OnceValues(func() (*Contents, error) { return readContents(tables) })

// BuiltIn says which tables are built in. It must not be changed.
func BuiltIn() (*Contents, error) { return contents() }

func readContents(blob string) (*Contents, error) {
	head, rest, ok := strings.Cut(blob, "\n")
	n, err := strconv.Atoi(head)
	if !ok || err != nil || n < 0 || n > len(rest) {
		return nil, errors.New("the built-in tables of operations have no head")
	}
	c := &Contents{}
	if err := json.Unmarshal([]byte(rest[:n]), c); err != nil {
		return nil, fmt.Errorf("the built-in tables of operations: %w", err)
	}
	start := len(head) + 1 + n
	for key, t := range c.Tables {
		t.Offset += start
		if t.Offset < start || t.Length < 0 || t.Offset+t.Length > len(blob) {
			return nil, fmt.Errorf("the built-in table of %s lies outside", key)
		}
		c.Tables[key] = t
	}
	return c, nil
}

// made are the tables that were asked for, by connector; of those that are not there,
// nil.
var made sync.Map // string → func() *Index

// For is the built-in table of a connector; nil for none. It is made ready when it is
// first asked for.
func For(connectorKey string) Table {
	c, err := contents()
	if err != nil {
		return nil // a test reads them all
	}
	t, ok := c.Tables[connectorKey]
	if !ok {
		return nil
	}
	make, ok := made.Load(connectorKey)
	if !ok {
		make, _ = made.LoadOrStore(connectorKey, sync.OnceValue(func() *Index {
			x, err := load(t)
			if err != nil {
				return nil
			}
			return x
		}))
	}
	if x := make.(func() *Index)(); x != nil {
		return x
	}
	return nil
}

func load(t Built) (*Index, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	text, err := dec.DecodeAll([]byte(tables[t.Offset:t.Offset+t.Length]), make([]byte, 0, t.Size))
	if err != nil {
		return nil, err
	}
	entries, err := Decode(string(text))
	if err != nil {
		return nil, err
	}
	return New(entries)
}

// SourcesOf are the sources of a connector's built-in table.
func (c *Contents) SourcesOf(key string) []Source {
	var out []Source
	for _, i := range c.Tables[key].Sources {
		if i >= 0 && i < len(c.Sources) {
			out = append(out, c.Sources[i])
		}
	}
	return out
}

// Keys are the connectors that have a table, sorted.
func (c *Contents) Keys() []string {
	keys := make([]string, 0, len(c.Tables))
	for key := range c.Tables {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Pack compresses tables into what is built in.
func Pack(c Contents, entries map[string][]Entry) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	var body []byte
	for _, key := range c.Keys() {
		t := c.Tables[key]
		text := Encode(entries[key])
		start := len(body)
		body = enc.EncodeAll(text, body)
		t.Offset, t.Length, t.Size, t.Operations = start, len(body)-start, len(text), len(entries[key])
		c.Tables[key] = t
	}
	head, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(strconv.Itoa(len(head))+"\n"), head, body), nil
}
