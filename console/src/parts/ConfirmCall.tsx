/**
 * A change that is no change of documents, as a decision or a token: what it does, whom it hits, its own fields, and only
 * then the button. The code beside it is made of the very request that the button sends.
 */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'

import { send } from '../api/client'
import { codeOfCall, InCode, type Call, type Code } from './InCode'
import { useSay } from './Say'
import { Wrong } from './Wrong'

export interface ConfirmCallProps<Answer> {
  title: string
  /** What happens, and who or what is hit by it. */
  children: ReactNode
  call: Call
  /** The code, where it is not that of `call`: for a secret, or where another way is open to programs. Null: there is none. */
  code?: Code | null
  verb: string
  danger?: boolean
  /** Whether all fields are filled in. */
  ready?: boolean
  done: string
  onDone: (answer: Answer) => void
  onClose: () => void
}

export function ConfirmCall<Answer = unknown>(props: ConfirmCallProps<Answer>) {
  const [running, run] = useState(false)
  const [refused, refuse] = useState<unknown>(null)
  const say = useSay()
  const client = useQueryClient()
  const confirm = async () => {
    run(true)
    refuse(null)
    try {
      const { method, path, body, headers } = props.call
      const answer = await send<Answer>(path, { method, ...(body === undefined ? {} : { body }), ...(headers ? { headers } : {}) })
      await client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'plan' })
      say(props.done)
      props.onDone(answer)
    } catch (failed) {
      refuse(failed)
    } finally {
      run(false)
    }
  }
  return (
    <Modal isOpen onClose={props.onClose} variant="medium" aria-label={props.title}>
      <ModalHeader title={props.title} />
      <ModalBody>
        {props.children}
        {refused ? <Wrong error={refused} /> : null}
      </ModalBody>
      <ModalFooter>
        <Button
          variant={props.danger ? 'danger' : 'primary'}
          isDisabled={props.ready === false || running}
          isLoading={running}
          spinnerAriaValueText="Working"
          onClick={() => void confirm()}
        >
          {props.verb}
        </Button>
        <Button variant="link" onClick={props.onClose}>
          Cancel
        </Button>
        {props.code === null ? null : <InCode code={props.code ?? codeOfCall(props.call)} what={props.title} />}
      </ModalFooter>
    </Modal>
  )
}
