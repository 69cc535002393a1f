package vault

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attache-proxy/attache/providers/secret"
)

// PlainAccount is an account as people write it, to bring many in at once. Its
// secrets are sealed as it is read; the file should be deleted then.
type PlainAccount struct {
	Organisation   string            `json:"organisation,omitempty"`
	Connector      string            `json:"connector"`
	Option         string            `json:"option"`
	Name           string            `json:"name,omitempty"`
	Identifier     string            `json:"identifier,omitempty"`
	IdentifierType string            `json:"identifier_type,omitempty"`
	Metadata       map[string]any    `json:"metadata,omitempty"`
	Settings       Settings          `json:"settings,omitzero"`
	TestMode       bool              `json:"test_mode,omitempty"`
	Fields         map[string]string `json:"fields,omitempty"`
	Secrets        map[string]string `json:"secrets,omitempty"`
	Token          string            `json:"token,omitempty"`
	RefreshToken   string            `json:"refresh_token,omitempty"`
	ExpiresAt      time.Time         `json:"expires_at,omitzero"`
	Scopes         []string          `json:"scopes,omitempty"`
	// Active says that the credentials are known to work.
	Active bool `json:"active,omitempty"`
}

// ImportOptions say how to import.
type ImportOptions struct {
	// Name tells this import from others, so that it can go on where it stopped:
	// the file's path. Empty means to begin at the beginning.
	Name string
	// Report may be nil. Its Total is 0 for files without a header.
	Report func(Progress)
}

// Imported counts what an import did.
type Imported struct {
	Lines   int64 // read in all
	Resumed int64 // of them skipped, because an earlier run had done them
	Rows    int64 // stored
	Known   int64 // left alone, because a row of that id or name was there
}

const (
	importRows  = 1000
	maxLine     = 4 << 20
	importNames = ownSettings + "import."
)

// ImportError is a line that cannot be imported. Lines before its batch are
// stored; after the file is mended, the import goes on there.
type ImportError struct {
	Line int64 // from 1
	Err  error
}

func (e *ImportError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *ImportError) Unwrap() error { return e.Err }

// Import reads what Export wrote, or lines {"account":{…}} with a PlainAccount.
// Rows that are there already are left alone. It stores in batches, each with its
// place in the file, so that an import that was stopped, even by kill -9, goes on
// where it was. Secrets must open with the keys of this vault, and are sealed
// again with the first.
func (v *Vault) Import(ctx context.Context, r io.Reader, o ImportOptions) (Imported, error) {
	im := importer{v: v, o: o, in: bufio.NewReaderSize(r, 1<<16)}
	if err := im.run(ctx); err != nil {
		return im.sum, fmt.Errorf("importing: %w", err)
	}
	return im.sum, nil
}

type importer struct {
	v      *Vault
	o      ImportOptions
	in     *bufio.Reader
	mark   string // the setting that holds the place in the file
	done   int64  // lines that an earlier run stored
	total  int64
	header bool
	ended  bool
	sum    Imported
}

func (im *importer) run(ctx context.Context) error {
	first, err := im.line()
	if err == io.EOF {
		return errors.New("the file is empty")
	}
	if err != nil {
		return err
	}
	if err := im.begin(ctx, first); err != nil {
		return err
	}
	batch := [][]byte{}
	if !im.header {
		batch = append(batch, first)
	}
	for {
		text, err := im.line()
		if err != nil && err != io.EOF {
			return err
		}
		if err == nil {
			batch = append(batch, text)
		}
		if len(batch) == importRows || err == io.EOF {
			if err := im.store(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if err == io.EOF {
			break
		}
	}
	if im.header && !im.ended {
		return errors.New("the file ends early: it was cut off; everything up to there is stored")
	}
	return im.forget(ctx)
}

// line returns the next line that is not empty.
func (im *importer) line() ([]byte, error) {
	for {
		var text []byte
		for {
			part, err := im.in.ReadSlice('\n')
			text = append(text, part...)
			if err == nil || err == io.EOF && len(text) > 0 {
				break
			}
			if err != bufio.ErrBufferFull {
				return nil, err
			}
			if len(text) > maxLine {
				return nil, &ImportError{im.sum.Lines + 1, fmt.Errorf("longer than %d bytes", maxLine)}
			}
		}
		im.sum.Lines++
		if text = bytes.TrimSpace(text); len(text) > 0 {
			return text, nil
		}
	}
}

// begin reads the header, if there is one, and how far an earlier run got.
func (im *importer) begin(ctx context.Context, first []byte) error {
	var h exportHeader
	if err := json.Unmarshal(first, &h); err != nil {
		return &ImportError{1, errors.New("not JSON; want the output of `attache vault export`, or lines {\"account\":{…}}")}
	}
	if im.header = h.Vault != 0; im.header {
		if h.Vault != exportVersion || h.Schema != SchemaVersion {
			return fmt.Errorf("%w: the export has version %d.%d, this release reads %d.%d", ErrNewer, h.Vault, h.Schema, exportVersion, SchemaVersion)
		}
		im.total = h.Rows
	}
	if im.o.Name == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(im.o.Name + "\x00" + string(first)))
	im.mark = importNames + hex.EncodeToString(sum[:8])
	place, err := im.v.Setting(ctx, im.mark)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	im.done, err = strconv.ParseInt(place.Value, 10, 64)
	return err
}

// store writes a batch and the place after it in one transaction.
func (im *importer) store(ctx context.Context, batch [][]byte) error {
	last := im.sum.Lines
	if last <= im.done {
		im.sum.Resumed = last
		im.report()
		return nil
	}
	var rows, known int64
	err := im.v.write(ctx, func(t *tx) error {
		rows, known = 0, 0
		for i, text := range batch {
			stored, err := im.put(ctx, t, text)
			if err != nil {
				return &ImportError{last - int64(len(batch)-1-i), err}
			}
			rows += stored
			known += 1 - stored
		}
		t.changed(Change{Kind: KindEverything})
		if im.mark == "" {
			return nil
		}
		return t.putSetting(ctx, Setting{Name: im.mark, Value: strconv.FormatInt(last, 10), Version: last, UpdatedAt: im.v.now()})
	})
	if err != nil {
		return err
	}
	im.sum.Rows += rows
	im.sum.Known += known
	im.report()
	return nil
}

func (im *importer) report() {
	if im.o.Report != nil {
		im.o.Report(Progress{im.sum.Lines, im.total})
	}
}

// forget deletes the place in the file once all of it is stored, and notes the
// import in the audit.
func (im *importer) forget(ctx context.Context) error {
	s := im.v.System()
	return im.v.write(ctx, func(t *tx) error {
		if _, err := t.exec(ctx, "DELETE FROM settings WHERE name = ?", im.mark); err != nil {
			return err
		}
		e := s.event(AuditSystem, "vault.imported", "")
		e.Detail = fmt.Sprintf("%d rows, %d were there already", im.sum.Rows, im.sum.Known)
		return t.audit(ctx, e)
	})
}

// put stores one line; it returns 0 where the row was there.
func (im *importer) put(ctx context.Context, t *tx, text []byte) (int64, error) {
	var l exportLine
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return 0, fmt.Errorf("not understood: %w", withoutValue(err))
	}
	switch {
	case im.ended:
		return 0, errors.New("stands after the end of the export")
	case l.End != nil && im.header:
		im.ended = true
		return 1, nil
	case l.Account != nil:
		return im.putPlain(ctx, t, l.Account)
	case l.Table == "secrets" && im.header:
		return im.putSecret(ctx, t, l.Row)
	case l.Table != "" && im.header:
		return im.putRow(ctx, t, l.Table, l.Row)
	}
	return 0, errors.New(`want {"account":{…}}, or the output of "attache vault export" from its first line on`)
}

// withoutValue drops what encoding/json quotes of the text, which may be secret.
func withoutValue(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("%s cannot be %s", kind.Field, strings.Fields(kind.Value + " ?")[0])
	}
	if msg := err.Error(); strings.HasPrefix(msg, "json: unknown field") {
		return err
	}
	return errors.New("not JSON")
}

func (im *importer) putRow(ctx context.Context, t *tx, table string, r row) (int64, error) {
	i := slices.IndexFunc(exports, func(x exported) bool { return x.name == table })
	if i < 0 {
		return 0, fmt.Errorf("unknown table %q", table)
	}
	x := &exports[i]
	if table == "accounts" {
		a, err := scanAccount(rowScanner{x.columns, r})
		if err != nil {
			return 0, err
		}
		if odd := a.impossible(); odd != "" {
			return 0, errImpossible(a.ID, odd)
		}
	}
	args, err := r.values(x.columns)
	if err != nil {
		return 0, err
	}
	return t.exec(ctx, "INSERT INTO "+x.name+" ("+strings.Join(x.columns, ", ")+") VALUES ("+
		strings.TrimSuffix(strings.Repeat("?, ", len(x.columns)), ", ")+") ON CONFLICT DO NOTHING", args...)
}

// values are the values of columns, all of which must be there.
func (r row) values(columns []string) ([]any, error) {
	if len(r) != len(columns) {
		return nil, fmt.Errorf("has %d columns instead of %d", len(r), len(columns))
	}
	out := make([]any, len(columns))
	for i, c := range columns {
		switch x := r[c].(type) {
		case string:
			out[i] = x
		case json.Number:
			n, err := x.Int64()
			if err != nil {
				return nil, fmt.Errorf("column %s is not a whole number", c)
			}
			out[i] = n
		default:
			return nil, fmt.Errorf("column %s is missing, or neither text nor a number", c)
		}
	}
	return out, nil
}

// putSecret seals a secret again, with our first key, if its row was imported.
func (im *importer) putSecret(ctx context.Context, t *tx, r row) (int64, error) {
	text := func(column string) string { s, _ := r[column].(string); return s }
	owner, field := text("owner_id"), text("field")
	if owner == "" || owner == vaultOwner {
		return 0, errors.New("a secret without an owner")
	}
	value, err := im.v.keys.open(owner, field, text("sealed"))
	if err != nil {
		return 0, fmt.Errorf("the secret %s of %s, sealed by key %s: %w (this vault has %s)", field, owner, text("key_id"), err, im.v.keys)
	}
	var n int64
	err = t.row(ctx, "SELECT COUNT(*) FROM secrets WHERE owner_id = ? AND field = ?", owner, field).Scan(&n)
	if err != nil || n > 0 {
		return 0, err
	}
	return 1, t.putSecrets(ctx, owner, secret.Values{field: value})
}

func (im *importer) putPlain(ctx context.Context, t *tx, p *PlainAccount) (int64, error) {
	s := im.v.System()
	c := &Credentials{
		Fields: p.Fields, Secrets: secret.Values{}, Token: secret.New(p.Token), RefreshToken: secret.New(p.RefreshToken),
		ExpiresAt: p.ExpiresAt, Scopes: p.Scopes,
	}
	for name, value := range p.Secrets {
		c.Secrets[name] = secret.New(value)
	}
	a, err := s.newAccount(NewAccount{
		Organisation: p.Organisation, Connector: p.Connector, Option: p.Option, Name: p.Name, Identifier: p.Identifier, IdentifierType: p.IdentifierType,
		Metadata: p.Metadata, Settings: p.Settings, TestMode: p.TestMode, Credentials: c,
	})
	if err != nil {
		return 0, err
	}
	if p.Active {
		if err := a.change(Active, Reason{Code: "imported"}, a.CreatedAt); err != nil {
			return 0, err
		}
	}
	if odd := a.impossible(); odd != "" {
		return 0, errImpossible(a.Name, odd)
	}
	n, err := t.exec(ctx, insertAccount+" ON CONFLICT DO NOTHING", a.values()...)
	if err != nil || n == 0 {
		return 0, err
	}
	return 1, t.putSecrets(ctx, a.ID, c.sealed())
}

// rowScanner scans a row of an import as if it came from the database.
type rowScanner struct {
	columns []string
	row     row
}

func (r rowScanner) Scan(dest ...any) error {
	values, err := r.row.values(r.columns)
	if err != nil {
		return err
	}
	for i, d := range dest {
		if err := assign(d, values[i]); err != nil {
			return fmt.Errorf("column %s: %w", r.columns[i], err)
		}
	}
	return nil
}

// assign is the part of database/sql's conversions that accounts need.
func assign(dest, value any) error {
	if s, ok := dest.(interface{ Scan(any) error }); ok {
		return s.Scan(value)
	}
	text, isText := value.(string)
	n, isNumber := value.(int64)
	switch d := dest.(type) {
	case *string:
		*d = text
	case *State:
		*d = State(text)
	case *int64:
		*d = n
		isText = isNumber
	case *uint64:
		*d = uint64(n)
		isText = isNumber && n >= 0
	default:
		return fmt.Errorf("cannot hold %T", dest)
	}
	if !isText {
		return errors.New("has the wrong type")
	}
	return nil
}
