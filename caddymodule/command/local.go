package command

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/attache-proxy/attache/caddymodule/client"
	"github.com/attache-proxy/attache/caddymodule/command/store"
	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault"
)

// ownTokenLife is how long a command may take, a person who signs in somewhere
// included.
const ownTokenLife = time.Hour

// ownToken is a token for this command alone, which end deletes: whoever can read the
// vault and its key on the machine of the REST API could make one by hand
// (attache admin token create).
func ownToken(api *client.API) (token secret.Value, end func(), err error) {
	if !api.Here() {
		return token, nil, errNoToken
	}
	v := store.Nearby()
	if v == nil {
		return token, nil, errNoToken
	}
	ctx := context.Background()
	name := fmt.Sprintf("command %d, %s", os.Getpid(), time.Now().UTC().Format("2006-01-02T15:04:05.000000000Z"))
	x, token, err := v.System().CreateAdminToken(ctx, name, vault.RoleAdmin, vault.All, time.Now().Add(ownTokenLife))
	if err != nil {
		_ = v.Close()
		return token, nil, errNoToken
	}
	return token, func() {
		_ = v.System().DeleteAdminToken(ctx, x.ID)
		_ = v.Close()
	}, nil
}

var errNoToken = &client.Error{Code: "no_token", Msg: "the REST API wants an admin token",
	Next: "export ATTACHE_ADMIN_TOKEN=$(attache admin token create --name me --role admin), or give --token-file FILE."}
