package sink

import (
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// jsonOf returns the JSON of the values of an array of canonical type.
// Numbers are numbers with all their digits, decimals too; NaN and the
// infinities, which JSON has not, are the strings "NaN", "inf" and "-inf".
// Everything that counts time, and binary in hexadecimal, is a string.
func jsonOf(a arrow.Array) cell {
	switch a := a.(type) {
	case *array.Boolean, *array.Int8, *array.Int16, *array.Int32, *array.Int64,
		*array.Uint8, *array.Uint16, *array.Uint32, *array.Uint64, *array.Decimal128:
		return textOf(a)
	case *array.Float16, *array.Float32, *array.Float64:
		return jsonFloat(textOf(a))
	case *array.String:
		return func(dst []byte, i int) []byte { return appendJSONString(dst, a.Value(i)) }
	case *array.Struct:
		return jsonStruct(a)
	case *array.Map: // before list, which it also is
		return jsonMap(a)
	case *array.List:
		return jsonList(a)
	}
	text := textOf(a)
	return func(dst []byte, i int) []byte { return append(text(append(dst, '"'), i), '"') }
}

// orNull makes nulls null.
func orNull(a arrow.Array, c cell) cell {
	return func(dst []byte, i int) []byte {
		if a.IsNull(i) {
			return append(dst, "null"...)
		}
		return c(dst, i)
	}
}

func jsonFloat(text cell) cell {
	return func(dst []byte, i int) []byte {
		start := len(dst)
		dst = text(dst, i)
		if c := dst[len(dst)-1]; c == 'N' || c == 'f' {
			dst = append(dst, 0, 0)
			copy(dst[start+1:], dst[start:])
			dst[start], dst[len(dst)-1] = '"', '"'
		}
		return dst
	}
}

func jsonStruct(a *array.Struct) cell {
	t := a.DataType().(*arrow.StructType)
	fields, names := make([]cell, a.NumField()), make([][]byte, a.NumField())
	for f := range fields {
		fields[f] = orNull(a.Field(f), jsonOf(a.Field(f)))
		names[f] = append(appendJSONString(nil, t.Field(f).Name), ':')
	}
	return func(dst []byte, i int) []byte {
		dst = append(dst, '{')
		for f, c := range fields {
			if f > 0 {
				dst = append(dst, ',')
			}
			dst = c(append(dst, names[f]...), i)
		}
		return append(dst, '}')
	}
}

func jsonList(a *array.List) cell {
	elem := orNull(a.ListValues(), jsonOf(a.ListValues()))
	return func(dst []byte, i int) []byte {
		start, end := a.ValueOffsets(i)
		dst = append(dst, '[')
		for at := start; at < end; at++ {
			if at > start {
				dst = append(dst, ',')
			}
			dst = elem(dst, int(at))
		}
		return append(dst, ']')
	}
}

// jsonMap writes a map with string keys as an object, where no key is there
// twice, and any other as an array of {"key": …, "value": …}.
func jsonMap(a *array.Map) cell {
	key, item := jsonOf(a.Keys()), orNull(a.Items(), jsonOf(a.Items()))
	keys, isText := a.Keys().(*array.String)
	entries := func(dst []byte, i int, first, second, last string) []byte {
		start, end := a.ValueOffsets(i)
		for at := start; at < end; at++ {
			if at > start {
				dst = append(dst, ',')
			}
			dst = key(append(dst, first...), int(at))
			dst = item(append(dst, second...), int(at))
			dst = append(dst, last...)
		}
		return dst
	}
	return func(dst []byte, i int) []byte {
		if isText && distinct(keys, a, i) {
			return append(entries(append(dst, '{'), i, "", ":", ""), '}')
		}
		return append(entries(append(dst, '['), i, `{"key":`, `,"value":`, "}"), ']')
	}
}

func distinct(keys *array.String, a *array.Map, i int) bool {
	start, end := a.ValueOffsets(i)
	seen := make(map[string]bool, end-start)
	for at := start; at < end; at++ {
		k := keys.Value(int(at))
		if seen[k] {
			return false
		}
		seen[k] = true
	}
	return true
}

const hexDigits = "0123456789abcdef"

// appendJSONString escapes what RFC 8259 says must be, and no more. Bytes
// that are no UTF-8 become U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			dst = appendJSONByte(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return append(dst, '"')
}

func appendJSONByte(dst []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\r':
		return append(dst, `\r`...)
	case c == '\t':
		return append(dst, `\t`...)
	case c < ' ':
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, c)
}
