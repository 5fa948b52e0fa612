/** For tests: a socket that says whether it is still open. */
export const fakeSocket = () => {
  const handle = {
    isOpen: true,
    close() {
      handle.isOpen = false;
    },
  };
  return handle;
};
