package api

// Declared is what the configuration file says; it is shown and cannot be edited.
type Declared interface {
	Agents() []DeclaredAgent
	Accounts() []DeclaredAccount
}

// DeclaredAgent is an agent of the configuration file.
type DeclaredAgent struct {
	Name   string
	Tokens int
	Grants []DeclaredGrant
}

// DeclaredGrant is one of its grants; an empty Account means every account.
type DeclaredGrant struct {
	Connector, Account string
	Write, Presign     bool
}

// DeclaredAccount is an account of the configuration file.
type DeclaredAccount struct {
	Connector, Option, Name string
	Default                 bool
}
