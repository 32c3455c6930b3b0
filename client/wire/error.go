// Package wire is what clients and nodes say to each other: JSON messages in
// the opaque bytes of Arrow Flight, and the one table of errors. Rows always
// travel as Arrow; only control messages are JSON.
package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Code names a kind of error, the same in the Go client, in Flight, on the
// command line and in the documentation.
type Code string

// Error kinds. Part of the wire format: never change one, add new ones.
const (
	InvalidArgument  Code = "INVALID_ARGUMENT" // a malformed request, filter or option
	Unsupported      Code = "UNSUPPORTED"      // understood, and not something Tarn does
	TableNotFound    Code = "TABLE_NOT_FOUND"
	TableExists      Code = "TABLE_EXISTS"
	ColumnNotFound   Code = "COLUMN_NOT_FOUND"
	SchemaMismatch   Code = "SCHEMA_MISMATCH"   // rows do not fit the table
	BadInput         Code = "BAD_INPUT"         // a file or a row that cannot be read
	VersionNotFound  Code = "VERSION_NOT_FOUND" // never existed, or retention dropped it
	MemberNotFound   Code = "MEMBER_NOT_FOUND"  // between nodes: the disk has no such file
	Conflict         Code = "CONFLICT"          // somebody else changed the same thing first
	LimitExceeded    Code = "LIMIT_EXCEEDED"    // memory or size limit; the message names the knob
	DiskFull         Code = "DISK_FULL"
	Corrupt          Code = "CORRUPT"           // a checksum or a structure on disk is wrong
	Unavailable      Code = "UNAVAILABLE"       // the node cannot be reached or is stopping; try again
	Unauthenticated  Code = "UNAUTHENTICATED"   // who asks has not shown who that is
	PermissionDenied Code = "PERMISSION_DENIED" // who asks is known, and may not do this
	Canceled         Code = "CANCELED"
	DeadlineExceeded Code = "DEADLINE_EXCEEDED"
	Internal         Code = "INTERNAL" // our own bug
)

// kinds is the one error table: what each code is to gRPC, to a shell and
// whether trying the same again can help.
var kinds = map[Code]struct {
	grpc  codes.Code
	exit  int
	retry bool
}{
	InvalidArgument:  {codes.InvalidArgument, 2, false},
	Unsupported:      {codes.Unimplemented, 3, false},
	TableNotFound:    {codes.NotFound, 4, false},
	TableExists:      {codes.AlreadyExists, 5, false},
	ColumnNotFound:   {codes.NotFound, 4, false},
	SchemaMismatch:   {codes.FailedPrecondition, 6, false},
	BadInput:         {codes.InvalidArgument, 7, false},
	VersionNotFound:  {codes.NotFound, 4, false},
	MemberNotFound:   {codes.NotFound, 4, false},
	Conflict:         {codes.Aborted, 8, true},
	LimitExceeded:    {codes.ResourceExhausted, 9, false},
	DiskFull:         {codes.ResourceExhausted, 10, false},
	Corrupt:          {codes.DataLoss, 11, false},
	Unavailable:      {codes.Unavailable, 12, true},
	Unauthenticated:  {codes.Unauthenticated, 13, false},
	PermissionDenied: {codes.PermissionDenied, 15, false},
	Canceled:         {codes.Canceled, 130, false},
	DeadlineExceeded: {codes.DeadlineExceeded, 14, true},
	Internal:         {codes.Internal, 1, false},
}

// Error is an error with a kind. Message says what, where and why; Hint is
// the next command or the next thing to try, or empty.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	cause   error
}

// Errorf makes an error of a kind. Like fmt.Errorf it wraps with %w.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// WithHint returns e with the next command to try.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// Error returns the message and, on a second line, the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "\n  try: " + e.Hint
}

// Unwrap returns what the error wraps, if anything.
func (e *Error) Unwrap() error { return e.cause }

// Retryable reports whether the same call may succeed later.
func (e *Error) Retryable() bool { return kinds[e.Code].retry }

// ExitCode returns the exit status of a command that failed with err; 0 for nil.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	return kinds[FromError(err).Code].exit
}

// FromError finds the *Error in err, reads one out of a gRPC status, or wraps
// err as Internal.
func FromError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if s, ok := status.FromError(err); ok {
		return fromStatus(s)
	}
	return &Error{Code: Internal, Message: err.Error(), cause: err}
}

// IsCode reports whether err is of that kind.
func IsCode(err error, code Code) bool { return err != nil && FromError(err).Code == code }

// GRPCStatus lets gRPC send e: the message carries the JSON of e after a
// marker, so that clients of other makers still show readable text.
func (e *Error) GRPCStatus() *status.Status {
	b, _ := json.Marshal(e) // two strings and a code: cannot fail
	return status.New(kinds[e.Code].grpc, e.Error()+marker+string(b))
}

const marker = "\n  tarn-error: "

func fromStatus(s *status.Status) *Error {
	text, tail, ok := strings.Cut(s.Message(), marker)
	e := &Error{}
	if ok && json.Unmarshal([]byte(tail), e) == nil && kinds[e.Code].grpc != 0 {
		return e
	}
	return &Error{Code: codeOf(s.Code()), Message: text, cause: s.Err()}
}

func codeOf(c codes.Code) Code {
	switch c {
	case codes.InvalidArgument:
		return InvalidArgument
	case codes.Unimplemented:
		return Unsupported
	case codes.ResourceExhausted:
		return LimitExceeded
	case codes.Unavailable:
		return Unavailable
	case codes.Canceled:
		return Canceled
	case codes.DeadlineExceeded:
		return DeadlineExceeded
	case codes.Unauthenticated:
		return Unauthenticated
	case codes.PermissionDenied:
		return PermissionDenied
	case codes.DataLoss:
		return Corrupt
	}
	return Internal
}
