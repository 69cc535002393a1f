package database

import "errors"

var (
	// ErrNotFound means that no row of that id is there for this caller: a row
	// of another organisation is not found either.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that the row was edited since the caller read it.
	ErrConflict = errors.New("changed by somebody else in the meantime")
	// ErrExists means that the name, key or pair is taken.
	ErrExists = errors.New("already exists")
	// ErrInvalid is what every *InvalidError matches.
	ErrInvalid = errors.New("invalid")
	// ErrNewer means that a newer release wrote the database.
	ErrNewer = errors.New("the database was written by a newer version")
	// ErrUnavailable means that the database cannot be reached or cannot write
	// now (a full disk, a lost connection). The caller may try again later.
	ErrUnavailable = errors.New("the vault is unavailable")
	// ErrOrganisation means that two rows of different organisations would meet.
	ErrOrganisation = errors.New("belongs to another organisation")
	// ErrUsed means that something that works once was used before.
	ErrUsed = errors.New("already used")
	// ErrExpired means that a token or session is past its end.
	ErrExpired = errors.New("expired")
)
