package client

// LimitBlocks bounds what a block may take, decoded, in a test's client.
func (c *Client) LimitBlocks(bytes int64) { c.maxBlock = bytes }
