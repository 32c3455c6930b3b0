package main

import (
	"regexp"
	"strings"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// splitList cuts text at the commas that stand in no bracket and no quotes:
// "a, bucket(16, id)" is two.
func splitList(text string) []string {
	var parts []string
	depth, start, inQuotes := 0, 0, false
	for i, r := range text {
		switch {
		case r == '"':
			inQuotes = !inQuotes
		case inQuotes:
		case strings.ContainsRune("([<", r):
			depth++
		case strings.ContainsRune(")]>", r):
			depth--
		case r == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	if last := strings.TrimSpace(text[start:]); last != "" || len(parts) > 0 {
		parts = append(parts, last)
	}
	return parts
}

// splitLists cuts the values of a flag that may be given many times.
func splitLists(texts []string) []string {
	var parts []string
	for _, t := range texts {
		parts = append(parts, splitList(t)...)
	}
	return parts
}

// parseColumns reads "id int64 not null, name string, ts timestamp[us]".
func parseColumns(text string) ([]schema.Field, error) {
	var fields []schema.Field
	for _, part := range splitList(text) {
		f, err := parseColumn(part)
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

var notNull = regexp.MustCompile(`(?i)\s+(not\s+)?null$`)

// parseColumn reads one column: a name, in double quotes if it holds a space,
// a type, and "not null" if it may not be null.
func parseColumn(text string) (schema.Field, error) {
	name, rest, err := columnName(text)
	if err != nil {
		return schema.Field{}, err
	}
	f := schema.Field{Name: name, Nullable: true}
	if m := notNull.FindStringSubmatch(rest); m != nil {
		f.Nullable = m[1] == ""
		rest = strings.TrimSuffix(rest, m[0])
	}
	if f.Type, err = schema.ParseType(strings.TrimSpace(rest)); err != nil {
		return f, wire.Errorf(wire.InvalidArgument, "column %q: %w", name, err).
			WithHint(`write each column as: name type, such as "id int64 not null, price decimal(10,2), at timestamp[us]"`)
	}
	return f, nil
}

// quotedName is a name as SQL quotes it: a quote in it is doubled.
var quotedName = regexp.MustCompile(`^"(?:[^"]|"")*"`)

func columnName(text string) (name, rest string, err error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, `"`) {
		m := quotedName.FindString(text)
		if m == "" || strings.HasPrefix(text[len(m):], `"`) {
			return "", "", wire.Errorf(wire.InvalidArgument, "column %s: the quotes are never closed", text)
		}
		return strings.ReplaceAll(m[1:len(m)-1], `""`, `"`), text[len(m):], nil
	}
	name, rest, ok := strings.Cut(text, " ")
	if !ok || name == "" {
		return "", "", wire.Errorf(wire.InvalidArgument, "column %q has no type", text).
			WithHint(`write each column as: name type, such as "id int64 not null, price decimal(10,2), at timestamp[us]"`)
	}
	return name, rest, nil
}
