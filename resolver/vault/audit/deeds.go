package audit

import (
	"context"

	"github.com/attache-proxy/attache/resolver/vault/database"
)

// Deed is calls and refusals that are alike.
type Deed struct {
	AccountID, Connector        string
	Operation, Effect, Resource string
	Method, Path                string
	Code                        string // of our refusal; empty for what was sent
	Upgraded                    bool   // the service switched protocols
	Worked                      bool   // it answered below 400
	Count                       int64
}

// MaxDeeds is how many different ones Deeds returns.
const MaxDeeds = 20_000

// Deeds are the calls and our refusals that match f, those alike as one, the most
// frequent first; whole is false where there were more than MaxDeeds.
func (s *View) Deeds(ctx context.Context, f Filter) (deeds []Deed, whole bool, err error) {
	w := s.where(f)
	w.Add("kind IN ('use', 'refusal')")
	deeds, err = database.Collect(ctx, s.log.db.Reader, scanDeed, `SELECT account_id, connector, operation, effect, resource, method, path,
			CASE WHEN kind = 'refusal' THEN code ELSE '' END AS refused, CASE WHEN status = 101 THEN 1 ELSE 0 END AS upgraded,
			CASE WHEN kind = 'use' AND status > 0 AND status < 400 THEN 1 ELSE 0 END AS worked, COUNT(*) AS n FROM audit`+w.String()+`
		GROUP BY account_id, connector, operation, effect, resource, method, path, refused, upgraded, worked
		ORDER BY n DESC, operation, resource, method, path LIMIT ?`, append(w.Args, MaxDeeds+1)...)
	if len(deeds) > MaxDeeds {
		return deeds[:MaxDeeds], false, err
	}
	return deeds, true, err
}

func scanDeed(r database.Scanner) (d Deed, err error) {
	var upgraded, worked int64
	err = r.Scan(&d.AccountID, &d.Connector, &d.Operation, &d.Effect, &d.Resource, &d.Method, &d.Path, &d.Code, &upgraded, &worked, &d.Count)
	d.Upgraded, d.Worked = upgraded == 1, worked == 1
	return d, err
}
