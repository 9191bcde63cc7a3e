#ifndef FFS_PRIVILEGES_H
#define FFS_PRIVILEGES_H

/// Sets real, effective and saved ids, so that there is no way back; -1 with errno on failure.
int ffs_set_ids(unsigned int user, unsigned int group);

/// PR_SET_NO_NEW_PRIVS: no set-uid program can raise privileges again.
int ffs_no_new_privileges(void);

#endif
