/** A refusal as the server answers it: problem documents of RFC 9457 (docs/api.md, "Problems"). */
export interface ProblemDocument {
  type?: string
  title?: string
  status: number
  code: string
  detail: string
  hint?: string
  docs?: string
  request?: string
  errors?: { code?: string; field?: string; message?: string; hint?: string }[]
}

/** What a failed request throws. */
export class Problem extends Error {
  constructor(readonly document: ProblemDocument) {
    super(document.detail)
    this.name = 'Problem'
  }

  get code(): string {
    return this.document.code
  }

  get status(): number {
    return this.document.status
  }
}

const away: ProblemDocument = {
  status: 0,
  code: 'unreachable',
  detail: 'the control plane does not answer',
  hint: 'see whether it runs and whether the network is up; what is shown may be old',
}

/** Whatever was thrown, as a problem. What is none of the server's is told as what it is: no answer came. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof TypeError) return new Problem(away) // what fetch throws when nothing answers
  return new Problem({ status: 0, code: 'console', detail: String(error), hint: 'reload the page' })
}

/** The problem in an answer that is none of the good ones. */
export function problemOf(body: unknown, status: number): Problem {
  if (typeof body === 'object' && body !== null && 'code' in body && 'detail' in body) {
    return new Problem({ ...(body as ProblemDocument), status })
  }
  return new Problem({ status, code: 'answer', detail: `the server answered ${status} and no reason` })
}
