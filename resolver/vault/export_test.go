package vault

// FollowDatabase makes leases and expiries follow the database's clock although
// Config.Now gives this vault another one: a replica whose clock is off.
func (v *Vault) FollowDatabase() { v.db.FollowDatabase() }
