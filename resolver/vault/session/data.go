package session

// Data is what the flow of a session needs and is not secret. It is stored as a JSON
// object of texts, with what is empty left out.
type Data struct {
	// Reach is who has the session, and so what it may do: see connect.Reach.
	Reach string `json:"reach,omitempty"`
	// Pinned is the only option that a link offers; empty: any.
	Pinned string `json:"pinned,omitempty"`
	// Other says that another identity than before is welcome.
	Other Flag `json:"other,omitempty"`
	// More are scopes beyond the connector's, with spaces between.
	More string `json:"more,omitempty"`

	// Option is which way to connect was chosen, and AppID its OAuth client.
	Option string `json:"option,omitempty"`
	AppID  string `json:"app_id,omitempty"`
	// RedirectURI is where the service sends the person.
	RedirectURI string `json:"redirect_uri,omitempty"`
	// Browser is the SHA-256 of the cookie of the browser that began, and Cookie the
	// cookie's name.
	Browser string `json:"browser,omitempty"`
	Cookie  string `json:"cookie,omitempty"`
	// Until is when the attempt ends, in Unix seconds by the database's clock.
	Until int64 `json:"until,omitempty,string"`
	// ErrorCode is of the last failure.
	ErrorCode string `json:"error_code,omitempty"`

	// UserCode is what the person types at Verify; Complete is the same page with the
	// code in it, and may be empty.
	UserCode string `json:"user_code,omitempty"`
	Verify   string `json:"verify,omitempty"`
	Complete string `json:"verify_direct,omitempty"`
	// Interval is between polls, in milliseconds; Next is when the next one is due, in
	// Unix milliseconds by the database's clock.
	Interval int64 `json:"interval_ms,omitempty,string"`
	Next     int64 `json:"next_ms,omitempty,string"`
}

// Flag is stored as "1", or not at all.
type Flag bool

// MarshalText implements encoding.TextMarshaler.
func (f Flag) MarshalText() ([]byte, error) {
	if f {
		return []byte("1"), nil
	}
	return nil, nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Flag) UnmarshalText(text []byte) error {
	*f = string(text) == "1"
	return nil
}
