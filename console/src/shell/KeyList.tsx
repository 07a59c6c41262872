/** All keys, and how to bind them anew. Loaded when it is first asked for. */
import { Button, Modal, ModalBody, ModalHeader, TextInput } from '@patternfly/react-core'
import { useState } from 'react'

import { bindings, rebind } from './keys'

export function KeyList({ close }: { close: () => void }) {
  const [all, set] = useState(bindings)
  const change = (id: string, keys: string) => {
    rebind(id, keys.trim())
    // What is being typed stays as it is: "g " is on its way to "g r".
    set(bindings().map((one) => (one.id === id ? { ...one, keys } : one)))
  }
  const usual = (id: string) => {
    rebind(id, '')
    set(bindings())
  }
  return (
    <Modal isOpen onClose={close} variant="medium" aria-label="Keys">
      <ModalHeader title="Keys" description="They act wherever nobody types. Other keys are kept in this browser." />
      <ModalBody>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">Does</th>
              <th scope="col">Keys</th>
              <th scope="col">
                <span className="off-screen">Back to the usual ones</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {all.map((one) => (
              <tr key={one.id}>
                <td>{one.title}</td>
                <td>
                  <TextInput aria-label={`Keys for: ${one.title}`} value={one.keys} onChange={(_, keys) => change(one.id, keys)} />
                </td>
                <td>
                  <Button variant="link" onClick={() => usual(one.id)} aria-label={`Usual keys for: ${one.title}`}>
                    Usual
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ModalBody>
    </Modal>
  )
}
