package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/attache-proxy/attache/resolver/vault/access"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/transfer"
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
	// Total is how many lines a file without a header has, for Report; 0 where
	// nobody knows.
	Total int64
	// Report may be nil.
	Report func(Progress)
}

// Imported counts what an import did.
type Imported struct {
	Lines   int64 `json:"lines"`   // read in all
	Resumed int64 `json:"resumed"` // of them skipped, because an earlier run had done them
	Rows    int64 `json:"rows"`    // stored
	Known   int64 `json:"known"`   // left alone, because a row of that id or name was there
}

const (
	importRows  = 1000
	importNames = access.OwnSettings + "import."
)

// Import reads what Export wrote, or lines {"account":{…}} with a PlainAccount.
// Rows that are there already are left alone. It stores in batches, each with its
// place in the file, so that an import that was stopped, even by kill -9, goes on
// where it was. Secrets must open with the keys of this vault, and are sealed
// again with the first.
func (v *Vault) Import(ctx context.Context, r io.Reader, o ImportOptions) (Imported, error) {
	im := importer{v: v, o: o, in: transfer.NewLines(r)}
	err := im.run(ctx)
	im.sum.Lines = im.in.N
	if err != nil {
		return im.sum, fmt.Errorf("importing: %w", err)
	}
	return im.sum, nil
}

type importer struct {
	v      *Vault
	o      ImportOptions
	in     *transfer.Lines
	mark   string // the setting that holds the place in the file
	done   int64  // lines that an earlier run stored
	total  int64
	schema int64 // of the vault that wrote the file
	header bool
	ended  bool
	sum    Imported
}

func (im *importer) run(ctx context.Context) error {
	first, err := im.in.Next()
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
		text, err := im.in.Next()
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

// begin reads the header, if there is one, and how far an earlier run got.
func (im *importer) begin(ctx context.Context, first []byte) error {
	var h transfer.Header
	if err := json.Unmarshal(first, &h); err != nil {
		return &transfer.Error{Line: 1, Err: errors.New("not JSON; want the output of `attache vault export`, or lines {\"account\":{…}}")}
	}
	im.total = im.o.Total
	if im.header = h.Vault != 0; im.header {
		// An older export has every column that is needed, or its rows say which is missing.
		if h.Vault != transfer.Version || h.Schema > SchemaVersion {
			return fmt.Errorf("%w: the export has version %d.%d, this release reads %d.%d", ErrNewer, h.Vault, h.Schema, transfer.Version, database.SchemaVersion)
		}
		im.total, im.schema = h.Rows, h.Schema
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
	last := im.in.N
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
				return &transfer.Error{Line: last - int64(len(batch)-1-i), Err: err}
			}
			rows += stored
			known += 1 - stored
		}
		t.Changed(Change{Kind: KindEverything})
		if im.mark == "" {
			return nil
		}
		return access.PutSetting(ctx, t.Tx, access.Setting{Name: im.mark, Value: strconv.FormatInt(last, 10), Version: last, UpdatedAt: im.v.now()})
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
		im.o.Report(Progress{Done: im.in.N, Total: im.total})
	}
}

// forget deletes the place in the file once all of it is stored, and notes the
// import in the audit.
func (im *importer) forget(ctx context.Context) error {
	s := im.v.System()
	return im.v.write(ctx, func(t *tx) error {
		if _, err := t.Exec(ctx, "DELETE FROM settings WHERE name = ?", im.mark); err != nil {
			return err
		}
		e := s.Event(AuditSystem, "vault.imported", "")
		e.Detail = fmt.Sprintf("%d rows, %d were there already", im.sum.Rows, im.sum.Known)
		return audit.Write(ctx, t.Tx, e)
	})
}

// put stores one line; it returns 0 where the row was there.
func (im *importer) put(ctx context.Context, t *tx, text []byte) (int64, error) {
	l, err := transfer.Decode[PlainAccount](text)
	if err != nil {
		return 0, err
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
