"""Operations that change something, and the reads beside them: each decides, then acts in one transaction."""
