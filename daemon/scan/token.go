package scan

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// tokenNode is has_token: whether one of the tokens of x is token.
type tokenNode struct {
	x     node
	token string
}

// hasToken binds has_token(text, 'word').
func (b *binder) hasToken(e *expr.Expr) (node, error) {
	x, err := b.bind(e.Args[0])
	if err != nil {
		return nil, err
	}
	lit := literalOf(e.Args[1])
	switch {
	case x.typ().ID() != arrow.STRING:
		return nil, wire.Errorf(wire.InvalidArgument, "%s: %s is a %s, and has_token takes strings", e, e.Args[0], schema.TypeText(x.typ())).
			WithHint("has_token(CAST(%s AS string), …)", e.Args[0])
	case lit != nil && lit.Kind == expr.Null:
		return &constNode{nulls(arrow.FixedWidthTypes.Boolean, 1)}, nil
	case lit == nil || lit.Kind != expr.String:
		return nil, wire.Errorf(wire.Unsupported, "%s: the word of has_token must be a string literal", e)
	}
	tokens := index.Tokens(lit.Text)
	if len(tokens) != 1 {
		return nil, wire.Errorf(wire.InvalidArgument, "%s: has_token looks for one word; %s holds %d", e, lit, len(tokens)).
			WithHint("%s", tokenHint(e.Args[0], tokens))
	}
	return fold(&tokenNode{x, tokens[0]}, x)
}

func tokenHint(x *expr.Expr, tokens []string) string {
	if len(tokens) == 0 {
		return "a word is made of letters, marks and digits; LIKE finds any text"
	}
	all := make([]string, len(tokens))
	for i, t := range tokens {
		all[i] = (&expr.Expr{Op: expr.Call, Name: "has_token", Args: []*expr.Expr{x, expr.Str(t)}}).String()
	}
	return strings.Join(all, " AND ")
}

func (t *tokenNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Boolean }

func (t *tokenNode) eval(b *batch, live bits) (*vec, error) {
	x, err := t.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	x = x.spread()
	return boolVec(x.n, fill(x.n, func(i int) bool { return index.TokenIn(x.strs[i], t.token) }), x.valid), nil
}

func (t *tokenNode) pred() *index.Pred {
	if col, ok := t.x.(*colNode); ok {
		return col.leaf(index.HasToken, []byte(t.token))
	}
	return unknown
}
