/** What went wrong: cause, evidence, what to do, and under which id the log knows it. */
import { Alert, Button, List, ListItem } from '@patternfly/react-core'

import { asProblem } from '../api/problem'

export function Wrong({ error, again, title }: { error: unknown; again?: () => void; title?: string }) {
  const { document } = asProblem(error)
  return (
    <Alert
      variant="danger"
      isInline
      title={title ?? document.detail}
      actionLinks={
        again ? (
          <Button variant="link" isInline onClick={again}>
            Try again
          </Button>
        ) : undefined
      }
    >
      {title ? <p>{document.detail}</p> : null}
      {document.hint ? (
        <p>
          <strong>What to do:</strong> {document.hint}
        </p>
      ) : null}
      {document.errors?.length ? (
        <List>
          {document.errors.map((one, index) => (
            <ListItem key={index}>
              {one.field ? <code>{one.field}</code> : null} {one.message} {one.hint ? `(${one.hint})` : ''}
            </ListItem>
          ))}
        </List>
      ) : null}
      <p className="fresh">
        {document.status ? `HTTP ${document.status}, ` : ''}
        <code>{document.code}</code>
        {document.request ? (
          <>
            , request <code>{document.request}</code>
          </>
        ) : null}
      </p>
    </Alert>
  )
}
