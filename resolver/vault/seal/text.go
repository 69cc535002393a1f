package seal

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/fernet/fernet-go"

	"github.com/attache-proxy/attache/providers/secret"
)

// Owner is a row as its secrets know it.
type Owner struct {
	ID string
	// Bound is what of the row the sealed texts hold besides its id: where the
	// secrets may go. Whoever edits that behind our back makes them unreadable.
	Bound string
	// Org keys the fingerprints.
	Org string
}

// The sealed plain text of a value is
//
//	"v" VERSION ":" LEN ":" bound LEN ":" owner LEN ":" field value
//
// with numbers in decimal, so that nothing can be read as something else. Texts
// of releases before 4 of the tables begin with the owner's LEN; their version
// is 0, and they are good until their row's secrets are written once more.

// seal seals value for one field of one row.
func (r *Keyring) seal(o Owner, field string, version int64, value secret.Value) (sealed, keyID string) {
	plain := sealPrefix(o.ID, field) + value.Reveal()
	if version > 0 {
		plain = "v" + strconv.FormatInt(version, 10) + ":" + Lengthened(o.Bound) + plain
	}
	tok, err := fernet.EncryptAndSign([]byte(plain), r.keys[0])
	if err != nil {
		panic("seal: no random numbers: " + err.Error())
	}
	return string(tok), r.ids[0]
}

func sealPrefix(owner, field string) string { return Lengthened(owner) + Lengthened(field) }

// Lengthened is s with its length before it, so that several texts put together can
// be read in one way only.
func Lengthened(s string) string { return strconv.Itoa(len(s)) + ":" + s }

var (
	// ErrWrongKey means that no key of the key ring opens what is sealed.
	ErrWrongKey = errors.New("wrong key")
	// ErrNoKey means that no key was given.
	ErrNoKey = errors.New("no key")
	// ErrMoved means that sealed text stands in another row or field than the one it
	// was sealed for, or in a row that was turned to another connector, organisation
	// or place since.
	ErrMoved = errors.New("sealed text stands where it does not belong")
	// ErrRolledBack means that sealed text is older than what was stored last.
	ErrRolledBack = errors.New("sealed text is not the newest of its row: something older was put back; enter the secret anew")
)

// Unseal is the inverse of seal; it also returns the version under which the text
// was sealed, which the caller compares with the row's. It returns ErrWrongKey
// where no key fits (or the text was tampered with, which looks the same), and
// ErrMoved.
func (r *Keyring) Unseal(o Owner, field, sealed string) (secret.Value, int64, error) {
	plain := fernet.VerifyAndDecrypt([]byte(sealed), 0, r.keys)
	if plain == nil {
		return secret.Value{}, 0, ErrWrongKey
	}
	text, version := string(plain), int64(0)
	if rest, ok := strings.CutPrefix(text, "v"); ok {
		number, rest, _ := strings.Cut(rest, ":")
		var err error
		if version, err = strconv.ParseInt(number, 10, 64); err != nil || version < 1 {
			return secret.Value{}, 0, ErrMoved
		}
		if text, ok = strings.CutPrefix(rest, Lengthened(o.Bound)); !ok {
			return secret.Value{}, version, ErrMoved
		}
	}
	value, ok := strings.CutPrefix(text, sealPrefix(o.ID, field))
	if !ok {
		return secret.Value{}, version, ErrMoved
	}
	return secret.New(value), version, nil
}

// FieldName is what a connector may call a field. Our own fields begin with @.
var FieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
